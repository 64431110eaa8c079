"""The whole separator in one file, ``.stn``: written from a converted network, and read (docs/stn_format.md)."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from spiking_tasnet.files import whole_file
from spiking_tasnet.snn.kernels import FRACTION_BITS
from spiking_tasnet.snn.words import MAX_PACKED_STEPS

if TYPE_CHECKING:
    from spiking_tasnet.snn import ConvertibleLayer

MAGIC = b"\x89STN\r\n\x1a\n"
VERSION = 1
SIZES = (
    "sample_rate",
    "n_src",
    "n_filters",
    "kernel_size",
    "stride",
    "bn_chan",
    "hid_chan",
    "conv_kernel_size",
    "n_blocks",
    "num_steps",
)
FLAGS = ("causal", "spread", "rectify", "phased")  # bit 0, 1, 2, 3
FIXED = struct.Struct("<8sIIQ")  # magic, version, checksum of all that follows, size of the file
HEADER = struct.Struct(f"<{len(SIZES)}IIffI")  # sizes, flags, eps, v_init, FRACTION_BITS
FLOAT32, INT8 = 0, 1
MOST_BLOCKS, MOST_ROWS = 20, 65536  # what the runtime takes: dilated layers; inputs x taps of a neuron


@dataclass(frozen=True)
class Stn:
    """What a file holds.

    Attributes:
        sizes: by the names of `SIZES`.
        flags: by the names of `FLAGS`.
        eps: of the frame norm.
        v_init: of the encoding layer, as a fraction of its thresholds.
        arrays: by name; those of dilated layer i begin with ``block<i>.``.
    """

    sizes: dict[str, int]
    flags: dict[str, bool]
    eps: float
    v_init: float
    arrays: dict[str, np.ndarray]


def write_stn(path: str | os.PathLike, network: Any) -> None:
    """Write a converted separation network, whole or not at all.

    Args:
        path: the ``.stn``.
        network: a `TasNet` all of whose layers are converted.

    Raises:
        OSError: it cannot be written.
        ValueError: something that the file cannot carry.
    """
    contents = pack_separator(network)
    with whole_file(path) as temporary:
        Path(temporary).write_bytes(contents)


@torch.no_grad()
def pack_separator(network: Any) -> bytes:
    """The contents of the file that `write_stn` writes; arguments and errors as there."""
    encoding, *spiking, readout = layers = list(_converted(network))
    config = network.config
    sizes = {name: getattr(config, name) for name in SIZES if name != "num_steps"} | {"num_steps": encoding.num_steps}
    flags = {
        "causal": config.causal,
        "spread": encoding.settings.encoding == "spread",
        "rectify": readout.rectify,
        "phased": any(layer.settings.firing == "phased" for layer in spiking),
    }
    sections = [network.encoder.weight[:, 0], network.norm.gain, network.norm.bias]
    sections += [*_dense(encoding, None), _bias(encoding, None), encoding.threshold]
    for layer, below in zip(spiking, layers, strict=False):
        sections += _spiking(layer, below)
    given = layers[-2].spike_amplitude
    amplitude = torch.ones(1) if readout.settings.constraints.weight_bits and given.numel() > 1 else given
    sections += [amplitude.expand(layers[-2].threshold.numel()), *_dense(readout, given), _bias(readout, given)]
    sections += [network.mask.weight, network.mask.bias, network.decoder.weight[:, 0]]
    bits = sum(1 << place for place, name in enumerate(FLAGS) if flags[name])
    header = HEADER.pack(*sizes.values(), bits, network.norm.eps, encoding.settings.v_init, FRACTION_BITS)
    body = header + b"".join(map(_bytes, sections))
    size = FIXED.size + len(body)
    checked = struct.pack("<Q", size) + body
    return FIXED.pack(MAGIC, VERSION, zlib.crc32(checked), size) + body


def read_stn(path: str | os.PathLike) -> Stn:
    """Read a file that `write_stn` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another file, or a damaged one.
    """
    try:
        contents = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; spiking-tasnet export makes one") from None
    try:
        return unpack_separator(contents)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def unpack_separator(contents: bytes) -> Stn:
    """What `pack_separator` packed; errors as `read_stn`, without the path."""
    if len(contents) < FIXED.size + HEADER.size or not contents.startswith(MAGIC):
        raise ValueError("it is no .stn file; spiking-tasnet export makes one")
    _, version, checksum, size = FIXED.unpack_from(contents)
    if version != VERSION:
        raise ValueError(f"version {version} found, {VERSION} expected; export it again")
    if size != len(contents):
        raise ValueError(f"{len(contents)} bytes found, {size} expected; copy it again")
    if checksum != zlib.crc32(contents[FIXED.size - 8 :]):
        raise ValueError("its checksum is wrong, so it was altered or damaged; copy it again")
    *numbers, bits, eps, v_init, fraction_bits = HEADER.unpack_from(contents, FIXED.size)
    sizes: dict[str, int] = dict(zip(SIZES, numbers, strict=True))
    flags = {name: bool(bits >> place & 1) for place, name in enumerate(FLAGS)}
    if fraction_bits != FRACTION_BITS or bits >> len(FLAGS) or not all(1 <= value <= 192_000 for value in numbers):
        raise ValueError("it holds a value that no export writes; export it again")
    reader = _Reader(contents, FIXED.size + HEADER.size)
    _read_sections(reader, sizes)
    if reader.place != len(contents):
        raise ValueError("it goes on behind its last value; export it again")
    return Stn(sizes, flags, eps, v_init, reader.arrays)


def _converted(network: Any) -> list[ConvertibleLayer]:
    """The layers of the separator.

    Raises:
        ValueError: the runtime cannot run them.
    """
    layers = list(network.separator)
    roles = [layer.role for layer in layers]
    if roles != ["encoding", *["spiking"] * (len(roles) - 2), "readout"]:
        raise ValueError(
            f"layers that are {', '.join(dict.fromkeys(roles))} found, encoding, spiking and readout expected: export "
            "a network that progressive tandem learning, or convert, has converted to its last layer"
        )
    steps = {layer.num_steps for layer in layers[:-1]}
    if len(steps) > 1 or max(steps) > MAX_PACKED_STEPS:
        raise ValueError(f"num_steps {sorted(steps)} found, one of at most {MAX_PACKED_STEPS} expected")
    if len({layer.settings.firing for layer in layers[1:-1]}) > 1:
        raise ValueError("layers that fire at once and phased ones found, one kind expected: convert them alike")
    rows = max(layer.operator.weight[0].numel() for layer in layers[1:])
    if network.config.n_blocks > MOST_BLOCKS or rows > MOST_ROWS:
        raise ValueError(
            f"{rows} inputs per neuron found, at most {MOST_ROWS} in {MOST_BLOCKS} blocks or fewer expected"
        )
    return layers


def _dense(layer: ConvertibleLayer, amplitude: Tensor | None) -> list[Tensor]:
    """Weights that analog values meet: their kind, their scale where they are integers, themselves."""
    if not layer.settings.constraints.weight_bits:
        return [torch.tensor(FLOAT32), layer.effective_weights(input_amplitude=amplitude)[0]]
    integers, scale = layer.integer_weight(amplitude)
    return [torch.tensor(INT8), scale.flatten().expand(len(integers)), integers]


def _bias(layer: ConvertibleLayer, amplitude: Tensor | None) -> Tensor:
    bias = layer.effective_weights(input_amplitude=amplitude)[1]
    return torch.zeros_like(layer.threshold) if bias is None else bias


def _spiking(layer: ConvertibleLayer, below: ConvertibleLayer) -> list[Tensor]:
    """What `kernels.simulate` takes of a layer: kind and weights, b / N_s, theta, V[0]."""
    amplitude = below.spike_amplitude
    neurons = layer.neurons(layer.branch(input_amplitude=amplitude), amplitude)
    kind = torch.tensor(INT8 if neurons.weight.dtype == torch.int8 else FLOAT32)
    return [kind, neurons.weight, neurons.current, neurons.threshold, neurons.start]


def _bytes(section: Tensor) -> bytes:
    """Little-endian, completed to a multiple of 4 bytes."""
    kind = {torch.int8: "<i1", torch.int32: "<i4", torch.int64: "<u4"}.get(section.dtype, "<f4")
    values = np.ascontiguousarray(section.detach().cpu().numpy().astype(kind)).tobytes()
    return values + bytes(-len(values) % 4)


class _Reader:
    """Takes one array after the other and refuses to read beyond the end."""

    def __init__(self, contents: bytes, place: int):
        self.contents, self.place = contents, place
        self.arrays: dict[str, np.ndarray] = {}

    def take(self, name: str, *shape: int, kind: str = "<f4") -> np.ndarray:
        """The next array."""
        count = int(np.prod(shape, dtype=object))  # of any size
        size = count * np.dtype(kind).itemsize
        size += -size % 4
        if size > len(self.contents) - self.place:
            raise ValueError("it ends before its last value; copy it again")
        self.arrays[name] = np.frombuffer(self.contents, kind, count, self.place).reshape(shape)
        self.place += size
        return self.arrays[name]

    def weights(self, name: str, *shape: int, scaled: bool = True) -> bool:
        """The next weights; returns whether they are integers."""
        kind = int(self.take(f"{name}.kind", 1, kind="<u4")[0])
        if kind not in (FLOAT32, INT8):
            raise ValueError("it holds a value that no export writes; export it again")
        if kind == INT8 and scaled:
            self.take(f"{name}.scale", shape[0])
        self.take(f"{name}.weight", *shape, kind="<i1" if kind == INT8 else "<f4")
        return kind == INT8


def _read_sections(reader: _Reader, sizes: dict[str, int]) -> None:
    filters, length, taps = sizes["n_filters"], sizes["kernel_size"], sizes["conv_kernel_size"]
    chan, hidden, masks = sizes["bn_chan"], sizes["hid_chan"], sizes["n_src"] * sizes["n_filters"]
    reader.take("encoder", filters, length)
    reader.take("norm.gain", filters)
    reader.take("norm.bias", filters)
    reader.weights("encoding", chan, filters)
    reader.take("encoding.bias", chan)
    reader.take("encoding.threshold", chan)
    for block in range(sizes["n_blocks"] - 1):
        kind = "<i4" if reader.weights(f"block{block}", hidden, chan, taps, scaled=False) else "<f4"
        for name in ("current", "threshold", "initial"):
            reader.take(f"block{block}.{name}", hidden, kind=kind)
        chan = hidden
    reader.take("readout.amplitude", chan)
    reader.weights("readout", hidden, chan, taps)
    reader.take("readout.bias", hidden)
    reader.take("mask", masks, hidden)
    reader.take("mask.bias", masks)
    reader.take("decoder", filters, length)

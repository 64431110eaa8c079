"""A spiking separator and its ANN in one small file, which a package can ship.

The separator's few-bit weights are stored as the integers that they are; encoder, masks, decoder and the ANN in half
precision; what is small (biases, thresholds, norms) as it is. Every array is compressed without loss. The network read
back is an ordinary one, whose quantiser finds the same integers and scales, so it fires the same spikes.
"""

from __future__ import annotations

import copy
import dataclasses
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spiking_tasnet.config import build
from spiking_tasnet.files import read_json, whole_file, write_error
from spiking_tasnet.model_file import network_of, read_contents
from spiking_tasnet.models import network_path
from spiking_tasnet.report.run_facts import without_places
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import FORMAT, HINT, TasNet
from spiking_tasnet.snn import ConvertibleLayer, Spikes, convertible_layers
from spiking_tasnet.snn.operators import scale_inputs

PACKED = "spiking_tasnet.TasNet.packed"
MOST_BYTES = 6_000_000  # of a packed file
SMALL = 4096  # values; smaller tensors keep their precision
EXPANSION = 8  # bytes of a network per byte of its file, at most; ours stay below 2
BELOW = 1 - 2.0**-16  # keeps each weight, but the largest, within the extent that gave the scale; moves no integer
KINDS = {"float16": torch.float16, "float32": torch.float32, "int8": torch.int8, "int32": torch.int32}


def pack(path: str | Path, snn: TasNet, ann: TasNet, facts: dict[str, Any]) -> dict[str, Any]:
    """Write both networks to one file, whole or not at all, and check that what is read back fires the same spikes.

    Args:
        path: the file.
        snn: converted, with weights of few bits.
        ann: analog, of the same sizes.
        facts: plain numbers and text on the training, kept in the file.

    Returns:
        What was found: `bytes` of the file, `spikes` compared.

    Raises:
        ValueError: networks that do not fit this form, a file of more than `MOST_BYTES`, or spikes that differ.
        OSError: it cannot be written.
    """
    _check_networks(snn, ann)
    contents = {
        "format": PACKED,
        "model": dataclasses.asdict(snn.config),
        "snn": _pack_state(snn, _integers(snn)),
        "ann": _pack_state(ann, {}),
        "facts": facts,
    }
    with whole_file(path, durable=True) as temporary:
        try:
            torch.save(contents, temporary)
        except RuntimeError as error:  # torch's own writer does not raise OSError
            raise write_error(path, error) from None
        size = temporary.stat().st_size
        if size > MOST_BYTES:
            raise ValueError(f"{path}: {size:,} bytes found, at most {MOST_BYTES:,} expected; pack a smaller network")
        spikes = _compare(half_head(snn), load_network(temporary), path)
    return {"bytes": size, "spikes": spikes}


def load_network(path: str | Path, ann: bool = False) -> TasNet:
    """Read a model.pt, or one of the two networks of a packed file, in eval mode.

    Args:
        path: the file, or the name of a shipped network.
        ann: of a packed file take the ANN; a model.pt holds one network, whatever its kind.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a model of ours, a damaged one, or one whose weights do not fit its own sizes.
    """
    path = network_path(path)
    contents = read_contents(path, (FORMAT, PACKED), HINT)
    if contents["format"] == PACKED:
        contents = {
            "model": contents.get("model"),
            "state_dict": _unpack_state(path, contents, "ann" if ann else "snn"),
        }
    return network_of(path, contents, lambda sizes: TasNet(build(ModelConfig, sizes, str(path))), HINT)


def read_facts(path: str | Path) -> dict[str, Any]:
    """What a packed file says about its training.

    Raises:
        FileNotFoundError, ValueError: as `load_network`; or not a packed file.
    """
    contents = read_contents(path, (FORMAT, PACKED), HINT)
    if contents["format"] != PACKED or not isinstance(contents.get("facts"), dict):
        raise ValueError(f"{path}: a model without facts found, one of spiking-tasnet pack expected")
    return contents["facts"]


def training_facts(models: dict[str, Path]) -> dict[str, Any]:
    """What lies beside models about their trainings: `run.json`, commands in it without the folders of the machine.

    Args:
        models: ``ann``, ``snn`` -> model.pt.
    """
    runs = {system: path.with_name("run.json") for system, path in models.items()}
    found = {system: read_json(path) for system, path in runs.items() if path.is_file()}
    return {system: {key: without_places(value) for key, value in run.items()} for system, run in found.items()}


def half_head(network: TasNet) -> TasNet:
    """A copy whose large tensors outside the few-bit layers have the values that half precision holds."""
    network = copy.deepcopy(network)
    few_bits = _few_bit_layers(network)
    for name, values in network.state_dict().items():
        if _is_halved(name, values, few_bits):
            values.copy_(values.half())
    return network


def _check_networks(snn: TasNet, ann: TasNet) -> None:
    if not snn.is_spiking or ann.is_spiking:
        raise ValueError("a spiking network and its ANN expected; pack SNN --ann ANN")
    if snn.config != ann.config:
        raise ValueError("networks of two sizes found; pack a network with the ANN that it was converted from")
    layers = convertible_layers(snn)
    plain = [name for name, layer in layers.items() if not layer.settings.constraints.weight_bits]
    if plain:
        raise ValueError(f"{plain[0]}: float weights found, few bits expected; convert with ptl.weight_bits=8")
    for network in (snn, ann):
        few_bits = _few_bit_layers(network)
        for name, values in network.state_dict().items():
            if _is_halved(name, values, few_bits) and not bool(torch.isfinite(values.half()).all()):
                raise ValueError(f"{name}: values beyond half precision found; train it again")


def _few_bit_layers(network: TasNet) -> list[str]:
    return [name for name, layer in convertible_layers(network).items() if layer.settings.constraints.weight_bits]


def _is_halved(name: str, values: Any, few_bits: list[str]) -> bool:
    """Whether a tensor of a network is stored in half precision: large, and not of a layer of few bits."""
    inside = any(name.startswith(f"{layer}.") for layer in few_bits)
    return isinstance(values, Tensor) and values.is_floating_point() and values.numel() >= SMALL and not inside


def _input_amplitudes(network: TasNet) -> dict[str, Tensor | None]:
    """Theta of the spikes that each layer of the separator is given; None for the encoding layer."""
    amplitudes: dict[str, Tensor | None] = {}
    amplitude = None
    for name, layer in convertible_layers(network).items():
        amplitudes[name], amplitude = amplitude, layer.spike_amplitude
    return amplitudes


def _integers(network: TasNet) -> dict[str, dict[str, Any]]:
    """Integers of every weight of few bits, and the largest float weights, which give their scales."""
    packed = {}
    for name, amplitude in _input_amplitudes(network).items():
        layer = convertible_layers(network)[name]
        weight = layer.operator.weight.detach()
        integers, _ = layer.integer_weight(amplitude)
        scaled = _scaled(layer, weight, amplitude).abs().flatten(1)
        rows = scaled if layer.settings.constraints.per_channel else scaled.reshape(1, -1)
        places = rows.argmax(1, keepdim=True)
        packed[f"{name}.operator.weight"] = {
            "levels": layer.settings.constraints.levels,
            "per_channel": layer.settings.constraints.per_channel,
            "integers": _deflate(integers),
            "places": _deflate(places.to(torch.int32)),
            "largest": _deflate(weight.reshape(rows.shape).gather(1, places)),
        }
    return packed


def _scaled(layer: ConvertibleLayer, weight: Tensor, amplitude: Tensor | None) -> Tensor:
    return weight if amplitude is None or amplitude.numel() == 1 else scale_inputs(layer.operator, weight, amplitude)


def _pack_state(network: TasNet, integers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The state of a network, its tensors compressed; norms that are folded away are left out."""
    few_bits = _few_bit_layers(network)
    folded = tuple(f"{name}.norm." for name, layer in convertible_layers(network).items() if layer.settings.folded)
    packed: dict[str, Any] = {}
    for name, values in network.state_dict().items():
        if name in integers:
            packed[name] = integers[name]
        elif folded and name.startswith(folded):
            continue
        elif isinstance(values, Tensor) and values.is_floating_point():
            packed[name] = _deflate(values.half() if _is_halved(name, values, few_bits) else values)
        else:
            packed[name] = values
    return packed


def _unpack_state(path: str | Path, contents: dict[str, Any], which: str) -> dict[str, Any]:
    """The state that `_pack_state` packed.

    Raises:
        ValueError: what `pack` never writes: the file was changed by hand.
    """
    try:
        with torch.device("meta"):
            network = TasNet(build(ModelConfig, contents["model"], str(path)))
        n_values = sum(values.numel() for values in network.parameters())
        if 4 * n_values > EXPANSION * os.path.getsize(path):
            raise ValueError(f"sizes of {n_values:,} weights in a file of {os.path.getsize(path):,} bytes")
        shapes = {name: values.shape for name, values in network.state_dict().items() if isinstance(values, Tensor)}
        packed = contents[which]
        state: dict[str, Any] = {}
        integers = {}
        for name, entry in packed.items():
            if isinstance(entry, dict) and "integers" in entry:
                integers[name] = entry
            elif isinstance(entry, dict) and "deflated" in entry:
                state[name] = _inflate(entry, shapes[name]).float()
            else:
                state[name] = entry
        _restore_weights(state, integers, shapes, list(convertible_layers(network)))
        _add_norms(state, shapes)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, IndexError, zlib.error) as error:
        told = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: a packed model that was changed found ({told}); {HINT}") from None
    return state


def _restore_weights(
    state: dict[str, Any], packed: dict[str, dict[str, Any]], shapes: dict[str, torch.Size], layers: list[str]
) -> None:
    """Float weights whose quantiser finds the packed integers and scales."""
    amplitude = None
    for layer in layers:
        name = f"{layer}.operator.weight"
        if name in packed:
            state[name] = _float_weight(packed[name], shapes[name], amplitude)
        threshold = state[f"{layer}.threshold"]
        amplitude = None if bool((threshold == threshold[0]).all()) else threshold


def _float_weight(entry: dict[str, Any], shape: torch.Size, amplitude: Tensor | None) -> Tensor:
    n_rows = shape[0] if entry["per_channel"] else 1
    integers = _inflate(entry["integers"], shape)
    places = _inflate(entry["places"], torch.Size((n_rows, 1))).long()
    largest = _inflate(entry["largest"], torch.Size((n_rows, 1)))
    # The input that each weight reads has a amplitude of its own: what is rounded is their product.
    by_input = torch.ones(1) if amplitude is None else amplitude.double()
    inputs = torch.ones(shape, dtype=torch.float64) * by_input.view(1, -1, *(1,) * (len(shape) - 2))
    inputs = inputs.reshape(n_rows, -1)
    extent = largest.double().abs() * inputs.gather(1, places)
    rows = integers.double().reshape(n_rows, -1) * (extent / entry["levels"] * BELOW) / inputs
    rows = rows.float().scatter(1, places, largest)
    return rows.reshape(shape)


def _add_norms(state: dict[str, Any], shapes: dict[str, torch.Size]) -> None:
    """Batch norms that were folded away, as they are made: nothing reads them."""
    ones = ("norm.weight", "norm.running_var")
    for name in shapes.keys() - state.keys():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
        elif ".norm." in name:
            state[name] = torch.ones(shapes[name]) if name.endswith(ones) else torch.zeros(shapes[name])


def _deflate(values: Tensor) -> dict[str, Any]:
    """A tensor compressed without loss: all first bytes, then all second ones, which are alike among themselves."""
    kind = next(name for name, dtype in KINDS.items() if dtype == values.dtype)
    array = np.ascontiguousarray(values.detach().cpu().numpy())
    planes = array.reshape(-1).view(np.uint8).reshape(array.size, array.itemsize).T
    deflated = zlib.compress(planes.tobytes(), level=9)
    return {"kind": kind, "deflated": torch.frombuffer(bytearray(deflated), dtype=torch.uint8)}


def _inflate(entry: dict[str, Any], shape: torch.Size) -> Tensor:
    """The tensor of `_deflate`.

    Raises:
        ValueError: it holds more or fewer values than `shape`.
    """
    kind = np.dtype(entry["kind"] if entry["kind"] in KINDS else None)
    n_bytes = shape.numel() * kind.itemsize
    inflater = zlib.decompressobj()
    planes = inflater.decompress(entry["deflated"].numpy().tobytes(), n_bytes + 1)
    if len(planes) != n_bytes:
        raise ValueError(f"other than {n_bytes:,} bytes for {tuple(shape)}")
    values = np.frombuffer(planes, np.uint8).reshape(kind.itemsize, -1).T
    return torch.from_numpy(np.ascontiguousarray(values).reshape(-1).view(kind).copy()).reshape(shape)


@torch.no_grad()
def _compare(expected: TasNet, found: TasNet, path: str | Path) -> int:
    """Run both on some mixtures and compare every spike; the number of spikes.

    Raises:
        ValueError: a spike differs.
    """
    total = 0
    for mixture in _mixtures(expected.config.sample_rate):
        trains = [_trains(network, mixture) for network in (expected, found)]
        for name, code in trains[0].items():
            different = int((code.code != trains[1][name].code).sum())
            if different:
                raise ValueError(f"{path}: {name}: spikes of {different:,} neurons differ after packing; not written")
            total += int(code.counts.sum())
    return total


def _trains(network: TasNet, mixture: Tensor) -> dict[str, Spikes]:
    """What every spiking layer fires."""
    trains: dict[str, Spikes] = {}

    def keep(name: str):
        def hook(_: torch.nn.Module, __: tuple, output: Tensor | Spikes) -> None:
            if isinstance(output, Spikes):
                trains[name] = output

        return hook

    handles = [layer.register_forward_hook(keep(name)) for name, layer in convertible_layers(network).items()]
    try:
        network.eval()(mixture)
    finally:
        for handle in handles:
            handle.remove()
    return trains


def _mixtures(sample_rate: int, count: int = 3, seconds: float = 2.0) -> list[Tensor]:
    """Mixtures of two noises with a rhythm of syllables each, (1, time)."""
    random = np.random.default_rng(0)
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    mixtures = []
    for _ in range(count):
        rhythms = np.clip(
            np.sin(2 * np.pi * (random.uniform(3, 5, (2, 1)) * time + random.uniform(0, 1, (2, 1)))), 0, 1
        )
        voices = np.cumsum(random.standard_normal((2, len(time))), axis=1)
        voices = (voices - voices.mean(1, keepdims=True)) * rhythms
        voices = np.diff(voices, axis=1, prepend=0)
        mixtures.append(torch.from_numpy(0.05 * voices.sum(0, keepdims=True)).float())
    return mixtures

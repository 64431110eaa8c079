"""The .stn file holds the network, and nothing else is taken for one."""

import struct
import zlib

import numpy as np
import pytest
import torch
from tiny_runtime import CASES, c_separator, converted
from tiny_separator import TINY, tiny_network

from spiking_tasnet.runtime.backend import CSeparator
from spiking_tasnet.runtime.stn import FIXED, pack_separator, read_stn, unpack_separator, write_stn


def sealed(body: bytes) -> bytes:
    """A file whose size and checksum are right, around a header and sections that may be anything."""
    size = FIXED.size + len(body)
    return FIXED.pack(b"\x89STN\r\n\x1a\n", 1, zlib.crc32(struct.pack("<Q", size) + body), size) + body


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_what_is_read_is_what_was_written(changes, tmp_path):
    network = converted(**changes)
    write_stn(tmp_path / "sep.stn", network)
    found, layer = read_stn(tmp_path / "sep.stn"), network.separator[1]
    assert found.sizes == {name: getattr(TINY, name, network.separator[0].num_steps) for name in found.sizes}
    spread, phased = changes.get("encoding") == "spread", changes.get("firing") == "phased"
    assert found.flags == {"causal": False, "spread": spread, "rectify": True, "phased": phased}
    assert found.v_init == changes.get("v_init", 0)
    amplitude = network.separator[0].spike_amplitude
    weight, current, threshold = layer.neurons(layer.branch(input_amplitude=amplitude), amplitude)[:3]
    for name, values in (("weight", weight), ("current", current), ("threshold", threshold)):
        assert np.array_equal(found.arrays[f"block0.{name}"], values.detach().numpy())
    assert np.array_equal(found.arrays["encoder"], network.encoder.weight[:, 0].detach().numpy())
    assert pack_separator(network) == (tmp_path / "sep.stn").read_bytes()


def test_a_network_that_is_not_converted_is_refused():
    with pytest.raises(ValueError, match="layers that are analog found, encoding, spiking and readout expected"):
        pack_separator(tiny_network())
    with pytest.raises(ValueError, match=r"num_steps \[40\] found, one of at most 32"):
        pack_separator(converted(num_steps=40))


@pytest.mark.parametrize("contents", [b"", b"RIFF" * 40, bytes(200)])
def test_other_files_are_refused(contents, tmp_path):
    (tmp_path / "x.stn").write_bytes(contents)
    with pytest.raises(ValueError, match=r"x.stn: it is no .stn file"):
        read_stn(tmp_path / "x.stn")
    c_separator(pack_separator(converted()))
    with pytest.raises(ValueError, match=r"it is no .stn file"):
        CSeparator(contents)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_stn(tmp_path / "y.stn")


def test_every_cut_and_every_altered_byte_is_refused():
    whole = pack_separator(converted(**CASES["8 bits"]))
    c_separator(whole)
    for size in range(0, len(whole), 7):
        for read in (unpack_separator, CSeparator):
            with pytest.raises(ValueError):
                read(whole[:size])
    for place in range(0, len(whole), 5):
        altered = bytearray(whole)
        altered[place] ^= 0x40
        for read in (unpack_separator, CSeparator):
            with pytest.raises(ValueError):
                read(bytes(altered))


@pytest.mark.parametrize(
    ("place", "value"),
    [(place, value) for place in range(0, 44, 4) for value in (0, 1 << 20, 0xFFFFFFFF)]
    + [(44, 0x7FC00000), (44, 0), (48, 0x3F800000), (52, 9)],
)
def test_sizes_out_of_range_are_refused_before_memory_is_taken(place, value):
    body = bytearray(pack_separator(converted())[FIXED.size :])
    c_separator(sealed(bytes(body)))
    body[place : place + 4] = struct.pack("<I", value)
    if place == 40 and value == 0:  # no flag is set: a valid file
        return
    with pytest.raises(ValueError):
        CSeparator(sealed(bytes(body)))


def test_values_that_would_break_the_simulation_are_refused():
    network = converted()
    for broken in (lambda n: n.separator[0].threshold.fill_(-1), lambda n: n.separator[1].threshold.fill_(0)):
        network = converted()
        with torch.no_grad():
            broken(network)
        c_separator(pack_separator(converted()))
        with pytest.raises(ValueError, match="a value that no export writes"):
            CSeparator(pack_separator(network))
    network = converted()
    with torch.no_grad():
        network.mask.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="a value that no export writes"):
        CSeparator(pack_separator(network))


def test_memory_beyond_all_measure_is_refused():
    """A file of some kB whose dilations ask for tables of a million frames."""
    contents = pack_separator(converted(**CASES["8 bits"]))
    found = unpack_separator(contents)
    body = bytearray(contents[FIXED.size :])
    body[32:36] = struct.pack("<I", 20)
    block = sum(found.arrays[f"block0.{name}"].nbytes for name in ("kind", "weight", "current", "threshold", "initial"))
    names = list(found.arrays)
    before = sum(-(-found.arrays[name].nbytes // 4) * 4 for name in names[: names.index("block0.kind")])
    start = struct.calcsize("<10IIffI") + before
    body[start:start] = bytes(body[start : start + block]) * 18
    c_separator(contents)
    with pytest.raises(ValueError, match="more than 256 MiB"):
        CSeparator(sealed(bytes(body)))

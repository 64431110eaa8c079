"""The benchmark of the whole separator: what it times is what it says."""

import re
import sys

import pytest
import torch
from tiny_separator import few_bit_network, tiny_network

from benchmarks import separate
from spiking_tasnet.files import read_json
from spiking_tasnet.separation.network import save_model
from spiking_tasnet.separation.packed import pack
from spiking_tasnet.snn import convertible_layers

NOISE = 0.1 * torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(monkeypatch, capsys, *words):
    """Cells of each printed row by its first cell."""
    monkeypatch.setattr(sys, "argv", ["benchmarks.separate", *map(str, words)])
    separate.main()
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", capsys.readouterr().out, flags=re.MULTILINE)
    return {name: cells.split(" | ") for name, cells in rows}


def test_a_packed_model_beside_its_ann_and_float32(tmp_path, monkeypatch, capsys, one_thread):
    pack(tmp_path / "packed.pt", few_bit_network(), tiny_network(), {})
    words = ["--model", tmp_path / "packed.pt", "--seconds", 0.5, "--rounds", 1, "--threads", 1, "--parts"]
    rows = run(monkeypatch, capsys, *words, "--out", tmp_path / "times.json")
    few, plain = "SNN, N_s = 8, 8-bit weights", "SNN, N_s = 8, float32"
    assert rows["ANN"][2:] == ["1.00", "–", "–"]
    assert rows[few][3] == "0.8" and rows[plain][3] == "1.3"
    assert float(rows[few][4]) > 0.1 and rows[few][4] == rows[plain][4]
    assert {"encoder", "norm", "layer 0", "layer 1", "mask", "sigmoid, decoder"} <= rows.keys()
    times = read_json(tmp_path / "times.json")
    assert (times["seconds"], times["threads"]) == (0.5, 1)
    assert {one["network"]: f"{one['ratio']:.2f}" for one in times["networks"]} == {
        name: rows[name][2] for name in ("ANN", few, plain)
    }


def test_an_ann_is_converted_here(tmp_path, monkeypatch, capsys, one_thread):
    save_model(tmp_path / "ann.pt", tiny_network())
    words = ["--ann", tmp_path / "ann.pt", "--steps", 4, "--seconds", 0.5, "--rounds", 1, "--threads", 1]
    assert {"SNN, N_s = 4, 8-bit weights", "SNN, N_s = 4, float32"} <= run(monkeypatch, capsys, *words).keys()
    with pytest.raises(ValueError, match="one of them expected"):
        run(monkeypatch, capsys, "--model", tmp_path, "--ann", tmp_path)
    with pytest.raises(ValueError, match="an ANN and an SNN expected"):
        run(monkeypatch, capsys, "--model", tmp_path / "ann.pt")


@torch.no_grad()
def test_float_weights_are_the_values_of_the_few_bits_up_to_rounding():
    few = few_bit_network(per_channel=True)
    plain = separate.with_float_weights(few)
    for mine, theirs in zip(convertible_layers(plain).values(), convertible_layers(few).values(), strict=True):
        assert not mine.settings.constraints.weight_bits and theirs.settings.constraints.weight_bits == 8
        assert mine.num_steps == theirs.num_steps and torch.equal(mine.operator.weight, theirs.operator.weight)
    difference = (plain(NOISE) - few(NOISE)).square().mean().sqrt() / few(NOISE).square().mean().sqrt()
    assert 0 < difference < 0.1


@torch.no_grad()
def test_the_times_of_the_parts_add_up_and_the_clocks_are_taken_out():
    network = tiny_network()
    times = separate.time_parts(network, NOISE, 1)
    assert [*times] == ["encoder", "norm", "layer 0", "layer 1", "layer 2", "mask", "sigmoid, decoder"]
    assert all(ms >= 0 for ms in times.values())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())

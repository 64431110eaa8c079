"""A spiking separator and its ANN in one file: the same spikes, or no file."""

import copy
import zlib

import pytest
import torch
from tiny_separator import TINY, few_bit_network, tiny_network

from spiking_tasnet.cli.main import main
from spiking_tasnet.files import write_json
from spiking_tasnet.separation import packed
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import TasNet, save_model
from spiking_tasnet.snn import Spikes, convertible_layers


@pytest.fixture(autouse=True)
def small_tensors_are_large(monkeypatch):
    monkeypatch.setattr(packed, "SMALL", 64)  # of a tiny network too, half precision


def run(network, seed=3):
    """Spike trains by layer, and the estimates."""
    trains = {}
    hooks = [
        layer.register_forward_hook(lambda _, __, output, name=name: trains.update({name: output}))
        for name, layer in convertible_layers(network).items()
    ]
    with torch.no_grad():
        estimates = network(0.1 * torch.randn(1, 5000, generator=torch.Generator().manual_seed(seed)))
    for hook in hooks:
        hook.remove()
    return {name: train.code for name, train in trains.items() if isinstance(train, Spikes)}, estimates


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"channel_wise": False},
        {"per_channel": True},
        {"per_channel": True, "channel_wise": False},
        {"bits": 4},
        {"bits": 2, "per_channel": True},
        {"encoding": "burst", "v_init": 0.0, "num_steps": 32},
    ],
)
def test_integers_scales_and_spikes_are_those_of_the_network(tmp_path, options):
    snn, path = few_bit_network(**options), tmp_path / "talkers.pt"
    found = packed.pack(path, snn, tiny_network(), {"seed": 5})
    assert found["bytes"] == path.stat().st_size and found["spikes"] > 100
    assert packed.read_facts(path) == {"seed": 5}
    read, expected = packed.load_network(path), packed.half_head(snn)
    amplitude = None
    for ours, theirs in zip(convertible_layers(read).values(), convertible_layers(expected).values(), strict=True):
        for mine, its in zip(ours.integer_weight(amplitude), theirs.integer_weight(amplitude), strict=True):
            assert torch.equal(mine, its)
        assert torch.equal(ours.operator.bias, theirs.operator.bias) and torch.equal(ours.threshold, theirs.threshold)
        amplitude = theirs.spike_amplitude
    (trains, estimates), (expected_trains, expected_estimates) = run(read), run(expected)
    assert len(trains) == TINY.n_blocks and all(train.any() for train in trains.values())
    assert all(torch.equal(trains[name], expected_trains[name]) for name in expected_trains)
    assert torch.equal(estimates, expected_estimates)


def test_the_ann_is_there_in_half_precision(tmp_path):
    ann, path = tiny_network(), tmp_path / "talkers.pt"
    packed.pack(path, few_bit_network(), ann, {})
    read = packed.load_network(path, ann=True)
    assert not read.is_spiking and not read.training
    rounded = 0
    for name, values in ann.state_dict().items():
        if isinstance(values, torch.Tensor):
            large = values.is_floating_point() and values.numel() >= 64
            rounded += large and not torch.equal(values, values.half().float())
            assert torch.equal(read.state_dict()[name], values.half().float() if large else values), name
    assert rounded >= 4


def test_a_model_file_is_read_as_ever(tmp_path):
    save_model(tmp_path / "model.pt", few_bit_network())
    assert packed.load_network(tmp_path / "model.pt").is_spiking
    with pytest.raises(ValueError, match="a model without facts found"):
        packed.read_facts(tmp_path / "model.pt")


def test_refusals(tmp_path, monkeypatch):
    path, snn, ann = tmp_path / "talkers.pt", few_bit_network(), tiny_network()
    other = TasNet(ModelConfig(n_filters=16, bn_chan=8, hid_chan=8, kernel_size=16, stride=8, n_blocks=3))
    huge = copy.deepcopy(ann)
    huge.mask.weight.data[0] = 1e6
    cases = [
        (ann, ann, "a spiking network and its ANN expected"),
        (snn, snn, "a spiking network and its ANN expected"),
        (snn, other, "networks of two sizes found"),
        (snn, huge, "mask.weight: values beyond half precision found"),
        (tiny_network(spiking=True), ann, "float weights found, few bits expected"),
    ]
    for first, second, message in cases:
        with pytest.raises(ValueError, match=message):
            packed.pack(path, first, second, {})
    monkeypatch.setattr(packed, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="at most 1,000 expected"):
        packed.pack(path, snn, ann, {})
    assert not list(tmp_path.iterdir())


def test_one_spike_that_differs_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "BELOW", 0.9)
    with pytest.raises(ValueError, match="neurons differ after packing; not written"):
        packed.pack(tmp_path / "talkers.pt", few_bit_network(), tiny_network(), {})
    assert not list(tmp_path.iterdir())


def cut(contents):
    entry = contents["ann"]["mask.weight"]
    entry["deflated"] = entry["deflated"][:-20]


def unfold(contents):
    bomb = zlib.compress(b"\0" * 10**7)
    contents["ann"]["mask.weight"]["deflated"] = torch.frombuffer(bytearray(bomb), dtype=torch.uint8)


def grow(contents):
    contents["model"] |= {"hid_chan": 9000, "bn_chan": 9000}


@pytest.mark.parametrize(
    "change",
    [
        cut,
        unfold,
        grow,
        lambda contents: contents["ann"].pop("mask.weight"),
        lambda contents: contents["ann"]["mask.weight"].update(kind="complex64"),
        lambda contents: contents["ann"].update(nothing={"deflated": 3}),
        lambda contents: contents.pop("ann"),
        lambda contents: contents.update(ann=[1]),
        lambda contents: contents.update(model={"hid_chan": -1}),
    ],
)
def test_a_file_that_was_changed_is_refused_in_one_line(tmp_path, change):
    path = tmp_path / "talkers.pt"
    packed.pack(path, few_bit_network(), tiny_network(), {})
    contents = torch.load(path, weights_only=True)
    change(contents)
    torch.save(contents, path)
    with pytest.raises(ValueError) as found:
        packed.load_network(path, ann=True)
    assert str(found.value).startswith(f"{path}: ") and "\n" not in str(found.value)


def test_the_command_packs_an_experiment_with_its_facts(tmp_path, capsys):
    exp, out = tmp_path / "exp" / "tiny", tmp_path / "talkers.pt"
    save_model(exp / "ann" / "model.pt", tiny_network())
    save_model(exp / "snn" / "model.pt", few_bit_network())
    write_json(exp / "ann" / "run.json", {"seed": 4, "hours": 2.5})
    write_json(tmp_path / "facts.json", {"data": "two noises"})
    write_json(tmp_path / "more.json", {"data": "three noises"})
    given = ["pack", exp / "snn", "--ann", exp / "ann", "-o", out, "--facts", tmp_path / "facts.json"]
    assert main([str(word) for word in [*given, "--facts", tmp_path / "more.json"]]) == 0
    assert packed.read_facts(out)["data"] == "three noises"
    capsys.readouterr()
    assert main([str(word) for word in given]) == 0
    assert f"{out}: {out.stat().st_size:,} bytes; " in capsys.readouterr().out
    assert packed.read_facts(out) == {"ann": {"seed": 4, "hours": 2.5}, "data": "two noises"}
    assert main(["pack", str(exp / "ann"), "--ann", str(exp / "ann"), "-o", str(tmp_path / "no.pt")]) == 1
    assert "a spiking network and its ANN expected" in capsys.readouterr().err

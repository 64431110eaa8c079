"""Networks that are shipped have names, which commands and the library take wherever they take a model."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_experiment import speech_like
from tiny_separator import CAUSAL, few_bit_network, tiny_network

from spiking_tasnet import Separator
from spiking_tasnet.cli.main import main
from spiking_tasnet.models import LIVE, NAMES, NETWORKS, SHIPPED, network_path
from spiking_tasnet.runtime.stn import pack_separator, read_stn
from spiking_tasnet.separation.config import Config
from spiking_tasnet.separation.network import save_model
from spiking_tasnet.separation.packed import load_network, pack
from spiking_tasnet.separation.train import convert_ann
from spiking_tasnet.snn import convertible_layers


@pytest.fixture
def standins(tmp_path, monkeypatch):
    """Tiny networks in the place of those that are shipped, in a current folder that is empty."""
    paths = {"talkers": tmp_path / "box" / "talkers.pt", "live": tmp_path / "box" / "live.pt"}
    pack(paths["talkers"], few_bit_network(), tiny_network(), {})
    pack(paths["live"], few_bit_network(config=CAUSAL), tiny_network(config=CAUSAL), {})
    for name, path in paths.items():
        monkeypatch.setitem(NETWORKS, name, path)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return paths


@pytest.fixture
def mix(tmp_path):
    path = tmp_path / "mix.wav"
    soundfile.write(path, speech_like(np.random.default_rng(0), 1.0), 8000)
    return path


def ran(capsys, *words):
    """What a command says on stderr."""
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().err


def test_every_name_is_that_of_its_file():
    assert {"talkers": SHIPPED, "live": LIVE} == NETWORKS and NAMES == "talkers or live"
    assert all(path.stem == name for name, path in NETWORKS.items())


def test_names_stand_for_shipped_networks_and_paths_for_themselves(standins, tmp_path):
    for name, path in standins.items():
        assert network_path(name) == network_path(Path(name)) == path
    for given in ("liev", "exp/live", "live.pt", tmp_path / "live"):
        assert network_path(given) == Path(given)


def test_a_file_or_folder_of_that_name_wins(standins):
    save_model(Path("live"), tiny_network(spiking=True))
    assert network_path("live") == Path("live")
    assert not Separator.load("live").network.config.causal
    Path("live").unlink()
    assert Separator.load("live").network.config.causal
    save_model(Path("live") / "snn" / "model.pt", tiny_network(spiking=True))
    assert not Separator.load("live").network.config.causal


@pytest.mark.parametrize("ann", [False, True], ids=["snn", "ann"])
def test_the_library_takes_names(standins, ann):
    for name, path in standins.items():
        network = Separator.load(name, ann=ann).network
        assert network.config.causal is (name == "live") and network.is_spiking is not ann
        for key, values in load_network(path, ann).state_dict().items():
            assert str(values) == str(network.state_dict()[key]), key
        assert load_network(name, ann).is_spiking is not ann
    assert not Separator.load(ann=ann).network.config.causal  # which is no default


def test_an_unknown_name_is_an_error_that_lists_the_names(standins, mix, capsys):
    with pytest.raises(FileNotFoundError, match="liev: no such model; .*talkers or live"):
        Separator.load("liev")
    for words in (["separate", mix, "--model", "liev"], ["export", "liev"], ["page", "liev"]):
        assert main([str(word) for word in words]) == 1
        assert "talkers or live" in capsys.readouterr().err


def test_a_shipped_network_that_is_not_there_is_named(standins):
    standins["live"].unlink()
    with pytest.raises(FileNotFoundError, match="box/live.pt: no such model"):
        Separator.load("live")


def test_separate_says_which_network_it_took(standins, mix, capsys):
    for given, told in ((["--model", "live"], "live.pt"), (["--model", "talkers"], "talkers.pt"), ([], "talkers.pt")):
        for more, kind in (([], "spiking"), (["--ann"], "analog")):
            assert f"model: {told}, which is shipped ({kind})" in ran(capsys, "separate", mix, *given, *more)
    save_model(Path("live"), tiny_network(spiking=True))
    assert "model: live (spiking)" in ran(capsys, "separate", mix, "--model", "live")


def test_export_page_and_separate_set_take_names(standins, mix, capsys):
    expected = pack_separator(Separator.load(standins["live"]).network)
    ran(capsys, "export", "live", "-o", "sep.stn")
    assert Path("sep.stn").read_bytes() == expected and read_stn("sep.stn").flags["causal"]
    ran(capsys, "page", "live", "-o", "live.html")
    ran(capsys, "page", standins["live"], "-o", "path.html")
    assert Path("live.html").read_bytes() == Path("path.html").read_bytes()
    data = Path("data")
    data.mkdir()
    (data / "wav.scp").write_text(f"one {mix}\n")
    for system in ([], ["--ann"]):
        ran(capsys, "separate-set", "--subset", data, "--model", "live", "--out", f"out{len(system)}", *system)
        assert soundfile.info(f"out{len(system)}/s2/one.wav").frames == 8000


def test_a_conversion_takes_the_ann_of_that_name(standins):
    for name, message in (("live", "an ANN of other sizes found"), ("liev", "no trained ANN")):
        with pytest.raises((FileNotFoundError, ValueError), match=message):
            convert_ann(Config(), Path("data"), Path("exp"), Path(name))


def test_pack_takes_names(standins):
    assert main(["pack", "live", "--ann", "live", "-o", "again.pt"]) == 0
    given, again = load_network(standins["live"]), load_network("again.pt")
    assert {layer.num_steps for layer in convertible_layers(again).values()} == {8}
    for one, other in zip(given.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)

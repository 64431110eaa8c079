"""The network that is shipped separates two real talkers straight after installation."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_separator import tiny_network

from spiking_tasnet import Separator
from spiking_tasnet.cli.main import main
from spiking_tasnet.models import SHIPPED
from spiking_tasnet.separation.network import save_model
from spiking_tasnet.separation.packed import MOST_BYTES, read_facts
from spiking_tasnet.separation.scores.metrics import score_mixture
from spiking_tasnet.snn import convertible_layers

ROOT = Path(__file__).parents[2]
READERS = ROOT / "tests" / "fixtures" / "readers"
MIXTURES = ("woman_and_man", "two_men", "two_women")
LEAST_GAIN, LEAST_MEAN_GAIN = 5.0, 7.0  # of SI-SDR in dB: of each mixture, and of all three
NO_NETWORK = """
import socket

def refuse(*arguments, **options):
    raise OSError("a connection was tried, none expected")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
"""

shipped = pytest.mark.skipif(not SHIPPED.is_file(), reason=f"{SHIPPED.name} is not in this checkout")


def gain(est_sources, name):
    """SI-SDRi in dB of estimates (2, n_samples) of one of the fixtures."""
    sources = np.stack([soundfile.read(READERS / f"{name}_s{n}.flac")[0] for n in (1, 2)])
    mixture, rate = soundfile.read(READERS / f"{name}_mix.flac")
    _, scores = score_mixture(est_sources, sources, mixture, rate, ["si_sdr"])
    return scores["si_sdr_i"]


def check_gains(gains):
    told = {name: f"{value:.2f} dB" for name, value in gains.items()}
    assert gains.keys() == {*MIXTURES} and min(gains.values()) > LEAST_GAIN, told
    assert np.mean([*gains.values()]) > LEAST_MEAN_GAIN, told


@shipped
def test_three_mixtures_from_an_empty_folder_with_a_fresh_home_and_no_network(tmp_path):
    folders = {name: tmp_path / name for name in ("empty", "home", "site")}
    for folder in folders.values():
        folder.mkdir()
    (folders["site"] / "sitecustomize.py").write_text(NO_NETWORK)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "PYTHON", "SPIKING_"))}
    env = kept | {"HOME": str(folders["home"]), "PYTHONPATH": str(folders["site"])}
    mixtures = [str(READERS / f"{name}_mix.flac") for name in MIXTURES]
    command = [sys.executable, str(ROOT / "separate.py"), *mixtures, "-o", "out", "--threads", "1"]
    done = subprocess.run(command, cwd=folders["empty"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"model: {SHIPPED.name}, which is shipped (spiking)" in done.stderr
    out = {name: [folders["empty"] / "out" / f"{name}_mix_s{n}.wav" for n in (1, 2)] for name in MIXTURES}
    check_gains({name: gain(np.stack([soundfile.read(path)[0] for path in out[name]]), name) for name in MIXTURES})


@shipped
@pytest.mark.parametrize("ann", [False, True], ids=["snn", "ann"])
def test_separator_loads_it_by_default(ann):
    separator = Separator.load(ann=ann)
    assert separator.network.is_spiking is not ann
    recordings = {name: soundfile.read(READERS / f"{name}_mix.flac") for name in MIXTURES}
    check_gains({name: gain(separator.separate(*recording), name) for name, recording in recordings.items()})


@shipped
def test_it_has_eight_steps_and_weights_of_eight_bits():
    layers = list(convertible_layers(Separator.load().network).values())
    assert all(layer.settings.constraints.weight_bits == 8 for layer in layers)
    assert {layer.num_steps for layer in layers if layer.is_spiking} == {8}


@shipped
def test_another_model_takes_its_place(tmp_path, capsys):
    save_model(tmp_path / "other.pt", tiny_network(spiking=True))
    mixture = str(READERS / "two_men_mix.flac")
    assert main(["separate", mixture, "-o", str(tmp_path), "--model", str(tmp_path / "other.pt")]) == 0
    told = capsys.readouterr().err
    assert "other.pt (spiking)" in told and SHIPPED.name not in told


def test_package_data_are_at_most_six_megabytes():
    package = SHIPPED.parents[1]
    code = (".py", ".pyc", ".so")
    data = [path for path in package.rglob("*") if path.is_file() and path.suffix not in code]
    networks = [*package.rglob("*.pt")]
    assert {"event.c", "page.html.j2"} <= {path.name for path in data} and networks == [SHIPPED] * SHIPPED.is_file()
    assert sum(path.stat().st_size for path in data) <= MOST_BYTES == 6_000_000


@shipped
def test_it_says_where_it_comes_from():
    facts = read_facts(SHIPPED)
    assert {"ann", "snn", "corpora"} <= facts.keys()
    assert all(corpus["licence"] for corpus in facts["corpora"])
    assert (SHIPPED.parent / "README.md").is_file()

"""The networks that are shipped separate two real talkers straight after installation."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_separator import tiny_network

from spiking_tasnet import Separator
from spiking_tasnet.cli.main import main
from spiking_tasnet.models import NETWORKS, SHIPPED
from spiking_tasnet.runtime.backend import runtime_fault
from spiking_tasnet.separation.network import save_model
from spiking_tasnet.separation.packed import MOST_BYTES, load_network, read_facts
from spiking_tasnet.separation.scores.metrics import score_mixture
from spiking_tasnet.separation.separator import default_model
from spiking_tasnet.snn import convertible_layers

ROOT = Path(__file__).parents[2]
READERS = ROOT / "tests" / "fixtures" / "readers"
MIXTURES = ("woman_and_man", "two_men", "two_women")
LEAST_GAINS = {"talkers": (7.0, 8.5), "live": (1.5, 3.0)}  # of SI-SDR in dB: of each mixture, and the mean of all three
MOST_LATENCY = 0.01  # seconds, of the network for live use alone
MOST_FILE_BYTES = {"talkers": MOST_BYTES, "live": 4_000_000}
MOST_OTHER_BYTES = 1_000_000  # of all package data but these
NO_NETWORK = """
import socket

def refuse(*arguments, **options):
    raise OSError("a connection was tried, none expected")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
"""


def needs(name):
    return pytest.mark.skipif(not NETWORKS[name].is_file(), reason=f"{NETWORKS[name].name} is not in this checkout")


shipped = needs("talkers")
each_network = pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in NETWORKS])


def gain(est_sources, name):
    """SI-SDRi in dB of estimates (2, n_samples) of one of the fixtures."""
    sources = np.stack([soundfile.read(READERS / f"{name}_s{n}.flac")[0] for n in (1, 2)])
    mixture, rate = soundfile.read(READERS / f"{name}_mix.flac")
    _, scores = score_mixture(est_sources, sources, mixture, rate, ["si_sdr"])
    return scores["si_sdr_i"]


def check_gains(gains, name="talkers"):
    told = {mixture: f"{value:.2f} dB" for mixture, value in gains.items()}
    least, least_mean = LEAST_GAINS[name]
    assert gains.keys() == {*MIXTURES} and min(gains.values()) > least, told
    assert np.mean([*gains.values()]) > least_mean, told


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


@each_network
@pytest.mark.parametrize("ann", [False, True], ids=["snn", "ann"])
def test_separator_loads_it_by_its_name(name, ann):
    separator = Separator.load(name, ann=ann)
    assert separator.network.is_spiking is not ann
    recordings = {mixture: soundfile.read(READERS / f"{mixture}_mix.flac") for mixture in MIXTURES}
    gains = {mixture: gain(separator.separate(*found), mixture) for mixture, found in recordings.items()}
    check_gains(gains, name)


@shipped
@pytest.mark.parametrize("ann", [False, True], ids=["snn", "ann"])
def test_talkers_are_the_default(ann):
    assert default_model(ann) == SHIPPED
    expected, found = load_network(SHIPPED, ann).state_dict(), Separator.load(ann=ann).network.state_dict()
    tensors = [key for key, values in expected.items() if isinstance(values, torch.Tensor)]
    assert tensors and all(torch.equal(found[key], expected[key]) for key in tensors)


@each_network
def test_it_has_eight_steps_and_weights_of_eight_bits(name):
    layers = list(convertible_layers(Separator.load(name).network).values())
    assert all(layer.settings.constraints.weight_bits == 8 for layer in layers)
    assert {layer.num_steps for layer in layers if layer.is_spiking} == {8}


@each_network
def test_only_the_live_one_looks_back_alone(name):
    config = Separator.load(name).network.config
    assert config.causal is (name == "live")
    if config.causal:
        assert config.kernel_size / config.sample_rate < MOST_LATENCY


@needs("live")
def test_a_stream_says_that_the_live_network_is_late_by_less_than_ten_milliseconds(tmp_path, monkeypatch, capfdbinary):
    if fault := runtime_fault():
        pytest.skip(f"the C runtime is not there: {fault}")
    samples, _ = soundfile.read(READERS / "woman_and_man_mix.flac", dtype="int16")
    (tmp_path / "in").write_bytes(samples.astype("<i2").tobytes())
    with open(tmp_path / "in", encoding="latin-1") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert main(["stream", "--model", "live"]) == 0
    out, told = capfdbinary.readouterr()
    (milliseconds,) = re.findall(rb"(\d+) ms of it the network's", told)
    assert int(milliseconds) < 1e3 * MOST_LATENCY and len(out) == 2 * samples.nbytes, told


@shipped
def test_another_model_takes_its_place(tmp_path, capsys):
    save_model(tmp_path / "other.pt", tiny_network(spiking=True))
    mixture = str(READERS / "two_men_mix.flac")
    assert main(["separate", mixture, "-o", str(tmp_path), "--model", str(tmp_path / "other.pt")]) == 0
    told = capsys.readouterr().err
    assert "other.pt (spiking)" in told and SHIPPED.name not in told


def test_limits_of_the_package_data():
    package = SHIPPED.parents[1]
    code = (".py", ".pyc", ".so")
    data = {path: path.stat().st_size for path in package.rglob("*") if path.is_file() and path.suffix not in code}
    networks = {name: path for name, path in NETWORKS.items() if path.is_file()}
    assert {path for path in data if path.suffix == ".pt"} == {*networks.values()}
    assert MOST_FILE_BYTES.keys() == NETWORKS.keys() and MOST_BYTES == 6_000_000
    for name, path in networks.items():
        assert data.pop(path) <= MOST_FILE_BYTES[name], path
    assert {"event.c", "page.html.j2"} <= {path.name for path in data}
    assert sum(data.values()) <= MOST_OTHER_BYTES, data


@each_network
def test_it_says_where_it_comes_from(name):
    facts = read_facts(NETWORKS[name])
    assert {"ann", "snn", "corpora", "start"} <= facts.keys()
    assert all(corpus["licence"] for corpus in facts["corpora"])
    assert (NETWORKS[name].parent / "README.md").is_file()

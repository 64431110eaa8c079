"""The network that is shipped separates two real talkers straight after installation."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spiking_tasnet import Separator
from spiking_tasnet.models import SHIPPED
from spiking_tasnet.separation.packed import MOST_BYTES, read_facts
from spiking_tasnet.separation.scores.metrics import score_mixture

ROOT = Path(__file__).parents[2]
READERS = ROOT / "tests" / "fixtures" / "readers"
# Least gain of SI-SDR in dB, 3 dB below what was measured: other processors sum in another order.
LEAST_GAIN = {"woman_and_man": 5.0, "two_men": 3.5, "two_women": 4.0}
NO_NETWORK = """
import socket

def refuse(*arguments, **options):
    raise OSError("a connection was tried, none expected")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
"""

pytestmark = pytest.mark.skipif(not SHIPPED.is_file(), reason=f"{SHIPPED.name} is not in this checkout")


def gain(est_sources, name):
    """SI-SDRi in dB of estimates (2, n_samples) of one of the fixtures."""
    sources = np.stack([soundfile.read(READERS / f"{name}_s{n}.flac")[0] for n in (1, 2)])
    mixture, rate = soundfile.read(READERS / f"{name}_mix.flac")
    return score_mixture(est_sources, sources, mixture, rate, ["si_sdr"])["si_sdr_i"]


def test_three_mixtures_from_an_empty_folder_with_a_fresh_home_and_no_network(tmp_path):
    folders = {name: tmp_path / name for name in ("empty", "home", "site")}
    for folder in folders.values():
        folder.mkdir()
    (folders["site"] / "sitecustomize.py").write_text(NO_NETWORK)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "PYTHON", "SPIKING_"))}
    env = kept | {"HOME": str(folders["home"]), "PYTHONPATH": str(folders["site"])}
    mixtures = [str(READERS / f"{name}_mix.flac") for name in LEAST_GAIN]
    command = [sys.executable, str(ROOT / "separate.py"), *mixtures, "-o", "out", "--threads", "1"]
    done = subprocess.run(command, cwd=folders["empty"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"model: {SHIPPED.name}, which is shipped (spiking)" in done.stderr
    for name, least in LEAST_GAIN.items():
        paths = [folders["empty"] / "out" / f"{name}_mix_s{n}.wav" for n in (1, 2)]
        found = gain(np.stack([soundfile.read(path)[0] for path in paths]), name)
        assert found > least, f"{name}: {found:.2f} dB"


def test_its_ann_does_so_too():
    separator = Separator.load(ann=True)
    for name, least in LEAST_GAIN.items():
        found = gain(separator.separate(*soundfile.read(READERS / f"{name}_mix.flac")), name)
        assert found > least, f"{name}: {found:.2f} dB"


def test_it_is_small_and_says_where_it_comes_from():
    facts = read_facts(SHIPPED)
    assert SHIPPED.stat().st_size <= MOST_BYTES
    assert {"ann", "snn", "corpora"} <= facts.keys()
    assert all(corpus["licence"] for corpus in facts["corpora"])
    assert (SHIPPED.parent / "README.md").is_file()

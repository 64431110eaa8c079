"""Separation of a set that is killed goes on where it stopped, with the costs of an uninterrupted one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
import torch
from tiny_experiment import GENDERS, write_subset

from spiking_tasnet.cli.main import main
from spiking_tasnet.separation import separate_set as module
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import TasNet, save_model
from spiking_tasnet.separation.separate_set import DONE, separate_set
from spiking_tasnet.snn import convert

TINY = ModelConfig(n_filters=16, bn_chan=8, hid_chan=8, kernel_size=16, stride=8, n_blocks=2)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """An untrained spiking network, and one of other weights."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("snn", "other")):
        torch.manual_seed(seed)
        network = TasNet(TINY).eval()
        with torch.no_grad():
            convert(network, lambda network=network: network(torch.randn(2, 4000)), num_steps=8)
        save_model(folder / name / "model.pt", network)
    return folder


@pytest.fixture
def data(tmp_path):
    write_subset(tmp_path / "data", "tt", np.random.default_rng(1), GENDERS * 4)
    return tmp_path / "data" / "tt"


@pytest.fixture
def separated(monkeypatch):
    """The mixtures that are really separated, in order."""
    names = []
    real = module._write

    def counting(out, utterance, *others):
        names.append(utterance.id)
        return real(out, utterance, *others)

    monkeypatch.setattr(module, "_write", counting)
    return names


def audio(out):
    """Samples of every file; the files themselves hold the time they were written (PEAK chunk)."""
    return {str(path.relative_to(out)): soundfile.read(path)[0].tobytes() for path in sorted(out.glob("s*/*"))}


def test_killed_and_run_again_gives_the_same_files_and_costs(data, models, tmp_path, separated):
    out, cost = tmp_path / "out", tmp_path / "cost.json"
    words = ["separate-set", "--data", str(data), "--model", str(models / "snn"), "--out", str(out)]
    words += ["--cost", str(cost)]
    with open(tmp_path / "err", "w") as stderr:
        process = subprocess.Popen([sys.executable, "-m", "spiking_tasnet", *words], stderr=stderr)
    done = out / DONE
    while process.poll() is None and not (done.exists() and done.read_bytes().count(b"\n") >= 4):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = done.read_bytes().count(b"\n") - 1
    assert 3 <= finished < 16 and not cost.exists()
    assert "\r" not in (tmp_path / "err").read_text()  # a bar's frames
    (out / "s1" / ".x.1.tmp.wav").write_bytes(b"left behind")
    assert main(words) == 0
    assert len(separated) == 16 - finished
    separate_set(data, models / "snn", tmp_path / "whole", tmp_path / "whole.json")
    assert audio(out) == audio(tmp_path / "whole") and len(audio(out)) == 32
    assert cost.read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert json.loads(cost.read_text())["n_mixtures"] == 16


def test_what_is_made_again(data, models, tmp_path, separated):
    out = tmp_path / "out"
    names = [line.split()[0] for line in (data / "wav.scp").read_text().splitlines()]

    def again(model="snn", cost=None):
        separated.clear()
        separate_set(data, models / model, out, cost)
        return list(separated)

    assert again() == names
    first = audio(out)
    assert again() == []
    assert again(cost=tmp_path / "cost.json") == names  # costs were not measured
    assert again(cost=tmp_path / "cost.json") == again() == []
    (out / "s2" / f"{names[2]}.wav").unlink()
    (out / "s1" / f"{names[4]}.wav").write_bytes(b"RIFF")  # as a power cut leaves it
    mixture = data.parent / "wav8k" / "min" / "tt" / "mix" / f"{names[6]}.wav"
    os.utime(mixture, (time.time() + 5,) * 2)
    assert again() == [names[2], names[4], names[6]]
    assert audio(out) == first
    assert again("other") == names
    assert audio(out).keys() == first.keys() and audio(out) != first
    assert again() == names and audio(out) == first


def test_files_without_a_record_are_not_trusted(data, models, tmp_path, separated):
    separate_set(data, models / "snn", tmp_path / "out")
    (tmp_path / "out" / DONE).unlink()
    separated.clear()
    separate_set(data, models / "snn", tmp_path / "out")
    assert len(separated) == 16


def test_the_model_counts_by_content_not_by_place(data, models, tmp_path, separated):
    separate_set(data, models / "snn", tmp_path / "out")
    separated.clear()
    shutil.copytree(models / "snn", tmp_path / "moved")
    separate_set(data, tmp_path / "moved", tmp_path / "out")
    assert not separated


def test_one_bad_mixture_costs_only_itself(data, models, tmp_path, separated, capsys):
    names = [line.split()[0] for line in (data / "wav.scp").read_text().splitlines()]
    mixture = data.parent / "wav8k" / "min" / "tt" / "mix" / f"{names[3]}.wav"
    good = mixture.read_bytes()
    mixture.write_text("no sound")
    words = ["separate-set", "--data", str(data), "--model", str(models / "snn"), "--out", str(tmp_path / "out")]
    assert main(words) == 1
    (error,) = [line for line in capsys.readouterr().err.splitlines() if ": error: " in line]
    assert f"1 of 16 mixtures not separated, the first {names[3]}: {mixture}: cannot be read as audio" in error
    assert separated == [name for name in names if name != names[3]]
    mixture.write_bytes(good)
    separated.clear()
    assert main(words) == 0 and separated == [names[3]]


def test_memory_that_runs_out_costs_one_mixture(data, models, tmp_path, separated, monkeypatch):
    real = TasNet.forward

    def forward(network, mixture):
        if mixture.shape[-1] > 12000:
            torch.empty(1 << 50)  # the machine's own error
        return real(network, mixture)

    monkeypatch.setattr(TasNet, "forward", forward)
    mixture = data.parent / "wav8k" / "min" / "tt" / "mix" / "tt-mixture-0.wav"
    soundfile.write(mixture, np.zeros(16000), 8000)
    with pytest.raises(ValueError, match="1 of 16 .*, the first tt-mixture-0: out of memory on 2 s of audio; cut it"):
        separate_set(data, models / "snn", tmp_path / "out")
    assert len(separated) == 15


def test_references_are_not_needed_and_short_mixtures_are_separated(data, models, tmp_path):
    for name in ("spk1.scp", "spk2.scp", "utt2spk", "utt2genders"):
        (data / name).unlink()
    mixture = data.parent / "wav8k" / "min" / "tt" / "mix" / "tt-mixture-0.wav"
    soundfile.write(mixture, np.full(5, 0.1), 8000)
    separate_set(data, models / "snn", tmp_path / "out")
    assert soundfile.info(tmp_path / "out" / "s1" / "tt-mixture-0.wav").frames == 5
    assert len(audio(tmp_path / "out")) == 32


def test_nothing_is_written_outside_the_output_folder(data, models, tmp_path, capsys):
    text = (data / "wav.scp").read_text()
    for bad in ("../../../escaped", str(tmp_path / "escaped")):
        (data / "wav.scp").write_text(text.replace("tt-mixture-3 ", f"{bad} "))
        words = ["separate-set", "--data", str(data), "--model", str(models / "snn"), "--out", str(tmp_path / "out/a")]
        assert main(words) == 1
        assert "one without / and" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*escaped*")) and not (tmp_path / "out").exists()

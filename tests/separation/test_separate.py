"""Users' recordings: any rate, channels and length in, one file a talker out."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_experiment import speech_like

from spiking_tasnet.cli.main import main
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import TasNet, save_model
from spiking_tasnet.separation.separate import Separator, fitting_gains, newest_model
from spiking_tasnet.snn import convert

ROOT = Path(__file__).parents[2]
TINY = ModelConfig(n_filters=16, bn_chan=8, hid_chan=8, kernel_size=16, stride=8, n_blocks=2)


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    """An experiment folder with an untrained network and its conversion."""
    folder = tmp_path_factory.mktemp("work") / "exp" / "tiny"
    torch.manual_seed(0)
    network = TasNet(TINY).eval()
    save_model(folder / "ann" / "model.pt", network)
    with torch.no_grad():
        convert(network, lambda: network(torch.randn(2, 4000)), num_steps=8)
    save_model(folder / "snn" / "model.pt", network)
    return folder


@pytest.fixture
def separate(exp, tmp_path, capsys):
    def run(*arguments, code=0):
        given = map(str, arguments)
        assert main(["separate", *given, "-o", str(tmp_path / "out"), "--model", str(exp), "--threads", "1"]) == code
        return capsys.readouterr()

    return run


class KnownSources(torch.nn.Module):
    """Stands for a perfect network that names the talkers anew in each segment and at any level."""

    config = TINY
    is_spiking = False

    def __init__(self, sources):
        super().__init__()
        self.sources = torch.from_numpy(sources)
        self.calls = itertools.count()

    def forward(self, mixture):
        total = self.sources.sum(0)
        windows = torch.nn.functional.pad(total, (mixture.shape[1],) * 2).unfold(0, mixture.shape[1], 1)
        start = int((windows - mixture[0]).abs().sum(1).argmin())
        padded = torch.nn.functional.pad(self.sources, (mixture.shape[1],) * 2)
        found = padded[:, start : start + mixture.shape[1]]
        call = next(self.calls)
        return (found.flip(0) if call % 3 == 1 else found)[None] * (0.1 + call % 4)


@pytest.mark.parametrize("n_samples", [900, 2048, 7001])
def test_talkers_are_followed_over_the_segments_at_their_level(n_samples):
    rng = np.random.default_rng(0)
    sources = (0.2 * rng.standard_normal((2, n_samples))).astype(np.float32)
    separator = Separator(KnownSources(sources), segment=0.128)
    found = separator.separate(sources.sum(0), 8000)
    assert found.shape == sources.shape
    order = [0, 1] if np.abs(found[0] - sources[0]).sum() < np.abs(found[0] - sources[1]).sum() else [1, 0]
    np.testing.assert_allclose(found[order], sources, atol=1e-4)


@pytest.mark.parametrize(
    "rate, channels, n_samples, subtype",
    [
        (8000, 1, 1, "PCM_16"),
        (44100, 1, 1, "PCM_16"),
        (8000, 1, 15, "PCM_16"),
        (8000, 1, 8191, "FLOAT"),
        (11025, 1, 5001, "PCM_U8"),
        (48000, 2, 24001, "PCM_24"),
        (16000, 3, 9000, "PCM_16"),
    ],
)
def test_length_rate_and_name_of_the_outputs(separate, tmp_path, rate, channels, n_samples, subtype):
    signal = np.stack([speech_like(np.random.default_rng(n), 1.5, rate)[:n_samples] + 0.01 for n in range(channels)])
    soundfile.write(tmp_path / "my mix.wav", signal.T, rate, subtype=subtype)
    printed = separate(tmp_path / "my mix.wav", "--segment", "0.5")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["my mix_s1.wav", "my mix_s2.wav"]
    for place in (1, 2):
        info = soundfile.info(tmp_path / "out" / f"my mix_s{place}.wav")
        assert (info.frames, info.samplerate, info.channels, info.subtype) == (n_samples, rate, 1, "PCM_16")
    assert "real-time factor" in printed.err and "(spiking)" in printed.err


def test_silence_gives_silence(separate, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(3000), 8000)
    separate(tmp_path / "a.wav")
    assert not soundfile.read(tmp_path / "out/a_s1.wav")[0].any()


def test_loud_recordings_are_not_clipped():
    sources = np.random.default_rng(0).uniform(-0.9, 0.9, (2, 2000)).astype(np.float32)
    sources[0, 7] = 3.0
    found = Separator(KnownSources(sources), segment=16).separate(sources.sum(0), 8000)
    assert np.abs(found).max() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(found, sources / 3, atol=1e-3)  # one gain for all


def test_gains_are_the_nearest_non_negative_ones():
    rng = np.random.default_rng(0)
    sources = rng.standard_normal((2, 500)).astype(np.float32)
    np.testing.assert_allclose(fitting_gains(sources, 3 * sources[0] + 0.5 * sources[1]), [3, 0.5], rtol=1e-4)
    assert fitting_gains(sources, sources[0] - 2 * sources[1])[1] == 0
    np.testing.assert_allclose(fitting_gains(np.stack([sources[0], 0 * sources[1]]), sources[0]), [1, 0], rtol=1e-4)
    np.testing.assert_allclose(fitting_gains(np.stack([sources[0]] * 2), sources[0]).sum(), 1, rtol=1e-3)
    assert not fitting_gains(sources, np.zeros(500, np.float32)).any()


def test_one_bad_file_does_not_stop_the_others(separate, tmp_path):
    (tmp_path / "bad.wav").write_text("no sound")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 8000)
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan), 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "good.wav", 0.1 * np.ones(1000), 8000)
    files = [tmp_path / f"{name}.wav" for name in ("bad", "absent", "empty", "nan", "good")]
    printed = separate(*files, code=1)
    errors = [line for line in printed.err.splitlines() if ": error: " in line]
    expected = ("cannot be read as audio", "no such file", "no samples found", "NaN or infinite")
    assert len(errors) == 4
    for line, path, message in zip(errors, files, expected, strict=False):
        assert path.name in line and message in line
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["good_s1.wav", "good_s2.wav"]


def test_nothing_is_overwritten_by_accident(separate, tmp_path):
    for name in ("a/mix.wav", "b/mix.wav", "out/mix_s1.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, 0.1 * np.ones(100), 8000)
    assert "would both write mix_s1.wav" in separate(tmp_path / "a/mix.wav", tmp_path / "b/mix.wav", code=1).err
    assert "would be overwritten" in separate(tmp_path / "a/mix.wav", tmp_path / "out/mix_s1.wav", code=1).err
    assert soundfile.info(tmp_path / "out/mix_s1.wav").frames == 100


def test_kinds_of_models(exp, tmp_path):
    assert Separator.load(exp).network.is_spiking and not Separator.load(exp, ann=True).network.is_spiking
    assert Separator.load(exp / "snn").network.is_spiking
    assert not Separator.load(exp / "ann" / "model.pt", ann=True).network.is_spiking
    with pytest.raises(ValueError, match="a spiking network found, the analog one expected"):
        Separator.load(exp / "snn", ann=True)
    with pytest.raises(ValueError, match="an analog network found, the spiking one expected"):
        Separator.load(exp / "ann")
    with pytest.raises(FileNotFoundError, match="no such model"):
        Separator.load(tmp_path)
    (tmp_path / "model.pt").write_text("nothing")
    with pytest.raises(ValueError, match="not a model file"):
        Separator.load(tmp_path)
    with pytest.raises(ValueError, match="--segment 0.001"):
        Separator.load(exp, segment=0.001)


def test_the_newest_model_is_found(exp, tmp_path):
    folder = exp.parents[1]
    assert newest_model(folders=[folder]) == exp / "snn" / "model.pt"
    newer = tmp_path / "egs" / "some" / "exp" / "x" / "snn" / "model.pt"
    newer.parent.mkdir(parents=True)
    newer.write_bytes((exp / "snn" / "model.pt").read_bytes())
    later = (exp / "snn" / "model.pt").stat().st_mtime + 10
    os.utime(newer, (later, later))
    assert newest_model(folders=[folder, tmp_path]) == newer
    assert newest_model(ann=True, folders=[folder, tmp_path]) == exp / "ann" / "model.pt"
    with pytest.raises(FileNotFoundError, match="egs/mini-2mix/run.sh --stage 0"):
        newest_model(folders=[tmp_path / "egs"])


def test_the_script_runs_from_any_folder(tmp_path):
    command = [sys.executable, str(ROOT / "separate.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "OUT/MIX_s1.wav" in done.stdout

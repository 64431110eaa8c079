"""Recordings of any rate and length: as many samples of each talker out, at the level of the mixture."""

import os

import numpy as np
import pytest
from tiny_experiment import speech_like
from tiny_separator import TwoBands, few_bit_network, tiny_network, write_tiny_experiment

from spiking_tasnet.models import NETWORKS
from spiking_tasnet.separation.packed import pack
from spiking_tasnet.separation.separator import Separator, default_model, newest_model


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    return write_tiny_experiment(tmp_path_factory.mktemp("work") / "exp" / "tiny")


@pytest.fixture(scope="module")
def separator():
    return Separator(tiny_network(), segment=0.5)


@pytest.fixture
def mixture():
    rng = np.random.default_rng(0)
    return speech_like(rng, 6.0) + speech_like(rng, 6.0)


def separate_by_blocks(separator, samples, rate, sizes):
    stream, start, found = separator.stream(rate), 0, []
    for size in sizes:
        found.append(stream.push(samples[start : start + size]))
        start += size
    return np.concatenate([*found, stream.push(samples[start:]), stream.finish()], axis=1)


@pytest.mark.parametrize("rate", [1000, 8000, 11025, 16000, 44101, 96001, 1_000_000])
@pytest.mark.parametrize("n_samples", [1, 15, 20001])
def test_as_many_samples_at_any_rate(separator, rate, n_samples):
    samples = np.random.default_rng(0).standard_normal(n_samples) * 0.1
    found = separator.separate(samples, rate)
    assert found.shape == (2, n_samples) and found.dtype == np.float32 and np.isfinite(found).all()


@pytest.mark.parametrize("rate", [8000, 11025])
def test_the_result_does_not_depend_on_the_blocks(separator, rate, mixture):
    whole = separator.separate(mixture, rate)
    assert np.abs(whole).max() > 0.01
    sizes = np.random.default_rng(1).integers(0, 3000, 20)
    np.testing.assert_array_equal(separate_by_blocks(separator, mixture, rate, sizes), whole)
    np.testing.assert_array_equal(separate_by_blocks(separator, mixture, rate, [1] * 50 + [0, 0]), whole)


def test_the_result_does_not_depend_on_the_segment(mixture):
    network = tiny_network()
    whole = Separator(network, segment=600).separate(mixture, 8000)
    for segment in (0.1, 0.37, 2):
        np.testing.assert_allclose(Separator(network, segment).separate(mixture, 8000), whole, atol=1e-6)


@pytest.mark.parametrize("spiking", [False, True])
def test_neither_offset_nor_level_matters(spiking, mixture):
    separator = Separator(tiny_network(spiking))
    plain = separator.separate(mixture, 8000)
    for offset in (0.02, -0.4):
        np.testing.assert_allclose(separator.separate(mixture + offset, 8000), plain, atol=2e-4)
    for decibels in (-50, -70, -100):
        gain = 10 ** (decibels / 20)
        quiet = separator.separate(mixture * gain, 8000) / gain
        assert np.sqrt(np.mean((quiet - plain) ** 2) / np.mean(plain**2)) < 0.01  # -40 dB


def test_the_sources_are_at_the_level_of_the_mixture_with_its_sign(mixture):
    found = Separator(TwoBands(), segment=0.25).separate(mixture, 8000)
    np.testing.assert_allclose(found.sum(0), mixture, atol=2e-3)  # but for the rumble
    kernel = np.full(15, 1 / 15)
    np.testing.assert_allclose(found[0], np.convolve(mixture, kernel, mode="same"), atol=2e-3)


def test_one_gain_keeps_loud_recordings_within_full_scale(mixture):
    separator, loud = Separator(TwoBands()), 9 * mixture
    assert np.abs(loud).max() > 2
    found = separator.separate(loud, 8000)
    assert np.abs(found).max() == pytest.approx(1, abs=1e-6)
    streamed = separate_by_blocks(separator, loud, 8000, [1000])
    np.testing.assert_allclose(found, streamed / np.abs(streamed).max(), atol=1e-6)
    assert np.abs(streamed).max() > 1.5  # a stream does not know its peak beforehand, and says so


@pytest.mark.parametrize("offset", [0.0, 0.25])
def test_silence_gives_silence(separator, offset):
    assert np.abs(separator.separate(np.full(9000, offset), 8000)).max() < 1e-12
    half = np.r_[np.zeros(40000), speech_like(np.random.default_rng(0), 3.0)] + offset
    found = separator.separate(half, 8000)
    assert np.abs(found[:, :38000]).max() < 1e-6 and np.abs(found).max() > 0.01


def test_mistakes_are_told(separator):
    for bad, message in (
        (np.zeros((2, 100)), "one channel"),
        (np.zeros(0), "no samples"),
        (np.full(100, np.nan), "NaN or infinite"),
        (np.zeros(100, np.int16), "int16 samples found, floats of full scale 1"),
    ):
        with pytest.raises(ValueError, match=message):
            separator.separate(bad, 8000)
    for rate in (0, 999, 1_000_001, 8000.5, float("nan")):
        with pytest.raises(ValueError, match="1000 to 1000000 Hz expected"):
            separator.separate(np.zeros(100), rate)
    stream = separator.stream(8000)
    stream.finish()
    with pytest.raises(ValueError, match=r"after finish\(\)"):
        stream.push(np.zeros(3))
    assert stream.finish().shape == (2, 0)
    for segment in (0.001, 0, -1, 601, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=f"--segment {segment:g} found, 0.1 to 600 seconds expected"):
            Separator(tiny_network(), segment=segment)


def test_a_network_that_gives_nan_is_refused():
    network = tiny_network()
    network.mask.weight.data[0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="the model is damaged"):
        Separator(network).separate(np.ones(4000) * np.sin(np.arange(4000)), 8000)


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


def test_what_is_shipped_is_the_default(exp, tmp_path, monkeypatch):
    shipped = tmp_path / "talkers.pt"
    monkeypatch.setitem(NETWORKS, "talkers", shipped)
    monkeypatch.chdir(exp.parents[1])
    monkeypatch.setattr("spiking_tasnet.separation.separator.newest_model", lambda ann: exp)
    assert default_model() == exp and Separator.load().network.is_spiking
    pack(shipped, few_bit_network(), tiny_network(), {})
    assert default_model() == default_model(ann=True) == shipped
    assert Separator.load().network.is_spiking and not Separator.load(ann=True).network.is_spiking

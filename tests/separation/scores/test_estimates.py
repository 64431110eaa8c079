"""Estimates of other systems: how they are named, how long they are, how many channels."""

import re

import numpy as np
import pytest
import soundfile
from tiny_experiment import RATE, write_subset

from spiking_tasnet.separation.scores.estimates import LAYOUTS, Estimates, read_estimates

LENGTH = 12000
RAMP = np.linspace(-0.5, 0.5, LENGTH, dtype=np.float32)


@pytest.fixture
def utterances(tmp_path):
    return write_subset(tmp_path / "data", "tt", np.random.default_rng(0), (("M", "F"), ("F", "F")))


def write(path, samples=RAMP, rate=RATE, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, **options)
    return path


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, utterances, layout, suffix):
    for utterance in utterances:
        for place in (1, 2):
            write(tmp_path / "est" / (layout.format(n=place, utt=utterance.id) + suffix), RAMP / place)
    found = Estimates(tmp_path / "est", utterances).paths
    for utterance in utterances:
        (first, second), changes = read_estimates(found[utterance.id], LENGTH, RATE)
        np.testing.assert_allclose(first, 2 * second, atol=1e-4)
        assert not changes


def test_tables_as_espnet_writes_them(tmp_path, utterances, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in (1, 2):
        lines = ""
        for utterance in utterances:
            write(tmp_path / f"exp/enhanced_tt/wavs/{place}/{utterance.id}.wav")
            lines += f"{utterance.id} exp/enhanced_tt/wavs/{place}/{utterance.id}.wav\n"
        (tmp_path / f"exp/enhanced_tt/spk{place}.scp").write_text(lines)
    found = Estimates("exp/enhanced_tt", utterances).paths
    assert found[utterances[1].id][1] == tmp_path / f"exp/enhanced_tt/wavs/2/{utterances[1].id}.wav"
    (tmp_path / "exp/enhanced_tt/spk2.scp").write_text(lines.splitlines()[0])
    with pytest.raises(FileNotFoundError, match=f"1 lines are missing, the first of {utterances[1].id}"):
        Estimates("exp/enhanced_tt", utterances)


def test_what_is_missing_is_counted_in_the_layout_that_is_there(tmp_path, utterances):
    for utterance in utterances:
        write(tmp_path / "est" / f"{utterance.id}_s1.flac")
    missing = tmp_path / "est" / f"{utterances[0].id}_s2.flac"
    with pytest.raises(FileNotFoundError, match=f"2 of 4 separated files are missing, the first is {missing}"):
        Estimates(tmp_path / "est", utterances)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_any_subtype(tmp_path, subtype):
    (found,), _ = read_estimates([write(tmp_path / "a.wav", subtype=subtype)], LENGTH, RATE)
    np.testing.assert_allclose(found, RAMP, atol=0.02)


@pytest.mark.parametrize(
    ("length", "change"),
    [
        (LENGTH, None),
        (LENGTH + 5, "cut by 5 samples"),
        (LENGTH - 5, "5 samples of silence put behind"),
        (LENGTH + 400, "cut by 400 samples"),
        (LENGTH - 400, "400 samples of silence put behind"),
    ],
)
def test_a_few_samples_more_or_less_are_fitted(tmp_path, length, change):
    samples = np.linspace(0.1, 0.5, length, dtype=np.float32)
    (found,), changes = read_estimates([write(tmp_path / "a.wav", samples, subtype="FLOAT")], LENGTH, RATE)
    assert len(found) == LENGTH and changes == ([change] if change else [])
    kept = min(length, LENGTH)
    np.testing.assert_array_equal(found[:kept], samples[:kept])
    assert not found[kept:].any()


@pytest.mark.parametrize("length", [LENGTH + 401, LENGTH - 401])
def test_more_than_that_is_refused(tmp_path, length):
    path = write(tmp_path / "a.wav", np.zeros(length))
    message = f"{re.escape(str(path))}: {length} samples found, 12000 expected as in the mixture, or within 0.05 s"
    with pytest.raises(ValueError, match=message):
        read_estimates([path], LENGTH, RATE)


def test_equal_channels_are_one_and_others_are_refused(tmp_path):
    (found,), changes = read_estimates([write(tmp_path / "a.wav", np.stack([RAMP, RAMP], 1))], LENGTH, RATE)
    np.testing.assert_allclose(found, RAMP, atol=1e-4)
    assert changes == ["one of 2 equal channels taken"]
    with pytest.raises(ValueError, match="2 different channels found, one expected"):
        read_estimates([write(tmp_path / "b.wav", np.stack([RAMP, -RAMP], 1))], LENGTH, RATE)

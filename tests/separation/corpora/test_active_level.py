"""P.56 method B against signals whose active level is known, and against a sample-by-sample loop."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_experiment import speech_like
from voicebox_level import active_levels, coefficients

from spiking_tasnet.separation.corpora.active_level import active_level

REAL = Path(__file__).parents[4] / "shared" / "data"


def tone(seconds, amplitude, rate=8000):
    return amplitude * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)


def decibels(level):
    return 10 * math.log10(level)


def test_the_reference_filters_as_voicebox_says():
    """-0.25 dB at 200 Hz and 5.5 kHz, 50 dB down at the edge of the stop band and beyond, no loss in between."""
    high, low = coefficients(16000)
    assert coefficients(12099)[1] is None and coefficients(12101)[1] is not None

    def response(filter_, hertz):
        b, a = filter_
        z = np.exp(-2j * np.pi * np.asarray(hertz) / 16000)
        return 20 * np.log10(np.abs(np.polyval(b[::-1], z) / np.polyval(a[::-1], z)))

    assert response(high, [200.0]) == pytest.approx(-0.25, abs=1e-6)
    assert response(low, [5500.0]) == pytest.approx(-0.25, abs=1e-6)
    assert response(high, [10.0, 40.0, 79.0]).max() < -49.9 and response(low, [7300.0, 7900.0]).max() < -49.9
    assert np.abs(response(high, [1000.0, 7000.0])).max() < 1e-3 and np.abs(response(low, [0.0, 2000.0])).max() < 1e-3


@pytest.mark.parametrize("rate", [8000, 11025, 16000])
def test_against_a_loop_over_samples(rate):
    rng = np.random.default_rng(rate)
    signals = [10 ** rng.uniform(-3, 0) * speech_like(rng, seconds, rate) for seconds in (0.11, 0.3, 0.7, 1.5)]
    pauses = np.concatenate([signals[1], np.zeros(rate // 2), signals[2] + 0.05, np.zeros(rate), signals[0]])
    noisy = signals[3] + 0.02 * rng.standard_normal(len(signals[3]))
    impulse = np.r_[np.zeros(100), 0.5, np.zeros(100)]
    signals += [pauses, noisy, impulse, rng.standard_normal(rate // 2), tone(0.5, 0.3, rate), 1e-6 * noisy]
    for signal, expected in zip(signals, active_levels(signals, rate), strict=True):
        assert decibels(active_level(signal, rate) / expected) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("pattern", ["talkers-8k/tt/*/*.ogg", "so762-8k/so762/si_et_05/*/*.flac"])
def test_against_a_loop_over_samples_of_recordings(pattern):
    paths = sorted(REAL.glob(pattern))[::20][:12]
    if not paths:
        pytest.skip("needs the recordings beside the project")
    signals = [soundfile.read(path)[0] for path in paths]
    for signal, expected in zip(signals, active_levels(signals, 8000), strict=True):
        assert decibels(active_level(signal, 8000) / expected) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("amplitude", [1.0, 0.1, 1e-4])
def test_a_steady_tone_is_active_throughout_and_for_the_hangover(rate, amplitude):
    level = active_level(tone(10, amplitude, rate), rate)
    # Afterwards the envelope falls from 2/pi of the amplitude as (1 + t/tau) exp(-t/tau) until it is below the
    # threshold, 15.9 dB under the level; then the hangover begins, and goes on until the 0.35 s of zeros end.
    fall = next(t for t in np.arange(0, 0.35, 1e-4) if 2 / math.pi * (1 + t / 0.03) * math.exp(-t / 0.03) < 0.1134)
    active = 10 + min(fall + 0.2, 0.35)
    assert decibels(level / (amplitude**2 / 2) * active / 10) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("factor", [0.25, 0.3, 1e-3, 1e3])
def test_level_scales_with_the_power(factor):
    speech = np.random.default_rng(0).standard_normal(40000) * (np.sin(np.arange(40000) / 3000) > 0)
    # Exact for factors of the thresholds' spacing, within the straight-line reading between them otherwise.
    exact = math.log2(factor**2).is_integer()
    ratio = active_level(factor * speech, 8000) / active_level(speech, 8000) / factor**2
    assert decibels(ratio) == pytest.approx(0, abs=1e-9 if exact else 0.1)


def test_long_pauses_do_not_count_short_ones_do():
    burst, pause = tone(1, 0.5), np.zeros(8000 * 3)
    full = 10 * math.log10(0.125)
    with_long = 10 * math.log10(active_level(np.concatenate([burst, pause] * 4), 8000))
    # Hangover and the envelope's decay add 0.2 s and some to each second of speech.
    assert full - 10 * math.log10(1.45) < with_long < full - 10 * math.log10(1.2)
    short = np.concatenate([burst, np.zeros(1200)] * 4)
    # All of it is active, and of the zeros behind it what the last pause has left of hangover and decay, 0.15 s or so.
    long_term = 10 * math.log10(float(short @ short) / (len(short) + 0.15 * 8000))
    assert 10 * math.log10(active_level(short, 8000)) == pytest.approx(long_term, abs=0.05)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_what_is_no_speech_does_not_count(rate):
    """An offset, hum and, where the rate has room for it, a whistle over 5.5 kHz leave the level as it is."""
    speech = 0.2 * np.random.default_rng(0).standard_normal(3 * rate) * (np.sin(np.arange(3 * rate) / rate * 9) > 0)
    speech -= speech.mean()
    time = np.arange(len(speech)) / rate
    ramp = np.minimum(1, time / 0.5) * np.minimum(1, (time[-1] - time) / 0.5)  # no clicks
    added = ramp * (0.1 + 0.1 * np.sin(2 * np.pi * 50 * time))
    if rate == 16000:
        added += 0.1 * ramp * np.sin(2 * np.pi * 7500 * time)
    assert decibels(active_level(speech + added, rate) / active_level(speech, rate)) == pytest.approx(0, abs=0.05)


def test_an_impulse_has_a_level():
    assert 0 < active_level(np.array([0.5]), 8000) < 1
    assert active_level(np.r_[np.zeros(100), 0.5, np.zeros(100)], 8000) > 0


@pytest.mark.parametrize("samples, message", [([], "silence"), ([0.0] * 50, "silence"), ([np.nan], "NaN")])
def test_no_level(samples, message):
    with pytest.raises(ValueError, match=message):
        active_level(np.array(samples), 8000)


def test_no_level_below_the_band_of_speech():
    with pytest.raises(ValueError, match="400 Hz found, more than 400 Hz expected"):
        active_level(np.ones(100), 400)

"""P.56 method B against signals whose active level is known, and against a sample-by-sample loop."""

import math

import numpy as np
import pytest

from spiking_tasnet.separation.activlev import active_level


def tone(seconds, amplitude, rate=8000):
    return amplitude * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("amplitude", [1.0, 0.1, 1e-4])
def test_steady_tone_is_active_throughout(rate, amplitude):
    level = active_level(tone(10, amplitude, rate), rate)
    assert 10 * math.log10(level / (amplitude**2 / 2)) == pytest.approx(0, abs=0.02)


def test_level_scales_with_the_power():
    speech = np.random.default_rng(0).standard_normal(40000) * (np.sin(np.arange(40000) / 3000) > 0)
    # Exact for factors of the thresholds' spacing, within the straight-line reading between them otherwise.
    assert active_level(0.25 * speech, 8000) == pytest.approx(active_level(speech, 8000) / 16, rel=1e-9)
    ratio = active_level(0.3 * speech, 8000) / active_level(speech, 8000)
    assert 10 * math.log10(ratio / 0.09) == pytest.approx(0, abs=0.1)


def test_long_pauses_do_not_count_short_ones_do():
    burst, pause = tone(1, 0.5), np.zeros(8000 * 3)
    full = 10 * math.log10(0.125)
    with_long = 10 * math.log10(active_level(np.concatenate([burst, pause] * 4), 8000))
    # Hangover and the envelope's decay add 0.2 s and some to each second of speech.
    assert full - 10 * math.log10(1.45) < with_long < full - 10 * math.log10(1.2)
    short = np.concatenate([burst, np.zeros(1200)] * 4)
    long_term = 10 * math.log10(float(short @ short) / len(short))
    assert 10 * math.log10(active_level(short, 8000)) == pytest.approx(long_term, abs=0.05)


def test_against_a_loop_over_samples():
    rate, rng = 8000, np.random.default_rng(1)
    signal = rng.standard_normal(12000) * 0.1 * (np.sin(np.arange(12000) / 900) > 0.2)
    decay, p, q = math.exp(-1 / (0.03 * rate)), 0.0, 0.0
    thresholds = [2.0**-n for n in range(15, 0, -1)]
    active, hang = [0] * len(thresholds), [1600] * len(thresholds)
    for sample in signal:
        p = decay * p + (1 - decay) * abs(sample)
        q = decay * q + (1 - decay) * p
        for j, threshold in enumerate(thresholds):
            if q >= threshold:
                active[j], hang[j] = active[j] + 1, 0
            elif hang[j] < 1600:
                active[j], hang[j] = active[j] + 1, hang[j] + 1
    energy = sum(sample * sample for sample in signal)
    points = [(10 * math.log10(energy / a), 20 * math.log10(c)) for a, c in zip(active, thresholds, strict=True) if a]
    for (level, c), (next_level, next_c) in zip(points, points[1:], strict=False):
        above, below = level - c - 15.9, next_level - next_c - 15.9
        if above > 0 >= below:
            expected = level + (next_level - level) * above / (above - below)
    assert 10 * math.log10(active_level(signal, rate)) == pytest.approx(expected, abs=1e-9)


def test_an_impulse_has_a_level():
    assert 0 < active_level(np.array([0.5]), 8000) < 1
    assert active_level(np.r_[np.zeros(100), 0.5, np.zeros(100)], 8000) > 0


@pytest.mark.parametrize("samples, message", [([], "silence"), ([0.0] * 50, "silence"), ([np.nan], "NaN")])
def test_no_level(samples, message):
    with pytest.raises(ValueError, match=message):
        active_level(np.array(samples), 8000)

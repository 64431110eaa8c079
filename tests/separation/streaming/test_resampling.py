import numpy as np
import pytest

from spiking_tasnet.separation.streaming.resampling import Resampler


def resampled(rows, rate, target_rate, blocks=10**9):
    stage = Resampler(rate, target_rate, len(rows))
    found = [stage.push(rows[:, start : start + blocks]) for start in range(0, rows.shape[1], blocks)]
    return np.concatenate([*found, stage.finish()], axis=1)


def tones(rate, seconds):
    time = np.arange(int(seconds * rate)) / rate
    return np.stack([np.sin(2 * np.pi * hertz * time) for hertz in (200, 330)]).astype(np.float32)


@pytest.mark.parametrize(
    "rate, target_rate", [(44101, 8000), (8000, 44101), (96001, 8000), (999983, 8000), (1000, 8000)]
)
def test_a_tone_is_where_it_was(rate, target_rate):
    found = resampled(tones(rate, 1.0), rate, target_rate)
    expected = tones(target_rate, 1.0)
    assert abs(found.shape[1] - target_rate) <= target_rate / rate + 1
    middle = slice(target_rate // 4, 3 * target_rate // 4)
    np.testing.assert_allclose(found[:, middle], expected[:, middle], atol=1e-4)


@pytest.mark.parametrize("blocks", [1, 999, 4410])
def test_blocks_do_not_show(blocks):
    rows = tones(44100, 0.2)
    np.testing.assert_array_equal(resampled(rows, 44100, 8000, blocks), resampled(rows, 44100, 8000))


def test_samples_of_the_same_rate_pass_to_the_bit():
    rows = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32)
    np.testing.assert_array_equal(resampled(rows, 8000, 8000, 77), rows)

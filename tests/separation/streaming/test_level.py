import numpy as np
import pytest

from spiking_tasnet.separation.streaming.level import TARGET_RMS, LevelControl

RATE = 1000


def levelled(samples, blocks=RATE):
    stage = LevelControl(RATE)
    rows = np.asarray(samples, np.float32)[None]
    found = [stage.push(rows[:, start : start + blocks]) for start in range(0, rows.shape[1], blocks)]
    return np.concatenate([*found, stage.finish()], axis=1)


def noise(seconds, rms):
    return rms * np.random.default_rng(0).standard_normal(int(seconds * RATE))


@pytest.mark.parametrize("seconds", [0.003, 0.9, 1, 3.7, 12.3])
@pytest.mark.parametrize("rms", [1e-5, 0.1, 3])
def test_the_level_is_that_of_training_and_its_gain_is_told(seconds, rms):
    samples = noise(seconds, rms)
    found = levelled(samples)
    assert found.shape == (2, len(samples))
    np.testing.assert_allclose(found[0], samples * found[1], rtol=1e-5)
    if seconds >= 1:
        assert np.std(found[0]) == pytest.approx(TARGET_RMS, rel=0.1)


def test_a_pause_in_speech_is_not_raised_and_what_is_loud_never_is():
    samples = np.r_[noise(5, 0.1), noise(3, 1e-4), noise(5, 0.1), noise(30, 1e-4), noise(5, 1.0)]
    gain = levelled(samples)[1] * 0.1 / TARGET_RMS
    assert np.abs(gain[: 13 * RATE] - 1).max() < 0.1
    assert gain[25 * RATE] == pytest.approx(1000, rel=0.1)  # in the middle of the long one
    assert gain[43 * RATE - 10 :].max() < 0.12
    steps = np.diff(np.log(gain))
    assert np.abs(steps).max() <= np.log(1e4) / RATE * 1.1  # a straight line in dB, no jump


def test_silence_stays_silent_and_blocks_do_not_show():
    assert not levelled(np.zeros(5 * RATE))[0].any()
    samples = noise(7.4, 0.01)
    for blocks in (1, 333, 10000):
        np.testing.assert_array_equal(levelled(samples, blocks), levelled(samples))

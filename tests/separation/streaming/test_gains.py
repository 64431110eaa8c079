import numpy as np
import pytest

from spiking_tasnet.separation.streaming.gains import GainControl, fitting_gains

RATE = 100


@pytest.fixture
def sources():
    return np.random.default_rng(0).standard_normal((2, 500)).astype(np.float32)


def test_gains_are_the_nearest_ones_of_the_sign_that_a_source_has_in_the_mixture(sources):
    np.testing.assert_allclose(fitting_gains(sources, 3 * sources[0] + 0.5 * sources[1]), [3, 0.5], rtol=1e-4)
    np.testing.assert_allclose(fitting_gains(sources, sources[0] - 2 * sources[1]), [1, -2], rtol=1e-4)
    np.testing.assert_allclose(fitting_gains(np.stack([sources[0], 0 * sources[1]]), sources[0]), [1, 0], rtol=1e-4)
    np.testing.assert_allclose(fitting_gains(np.stack([sources[0]] * 2), sources[0]).sum(), 1, rtol=1e-3)
    assert not fitting_gains(sources, np.zeros(500, np.float32)).any()


def test_no_source_is_subtracted_to_mend_another(sources):
    """The least squares alone would give the second, half a copy of the first with some noise, a negative gain."""
    second = sources[0] + 0.5 * sources[1]
    mixture = sources[0] - 0.2 * sources[1]
    assert np.linalg.lstsq(np.stack([sources[0], second]).T, mixture, rcond=None)[0][1] < -0.1
    assert fitting_gains(np.stack([sources[0], second]), mixture)[1] == 0


def controlled(rows, blocks):
    stage = GainControl(RATE, 2)
    found = [stage.push(rows[:, start : start + blocks]) for start in range(0, rows.shape[1], blocks)]
    return np.concatenate([*found, stage.finish()], axis=1)


@pytest.mark.parametrize("seconds", [0.5, 30, 400])
def test_one_gain_for_all_of_a_recording_whose_gains_do_not_change(seconds):
    sources = np.random.default_rng(0).standard_normal((2, int(seconds * RATE)))
    rows = np.stack([sources.sum(0), np.full(len(sources[0]), 7), -4 * sources[0], 0.1 * sources[1]]).astype(np.float32)
    found = controlled(rows, 1000)
    np.testing.assert_array_equal(found[:2], rows[:2])
    np.testing.assert_allclose(found[2:], sources, atol=1e-4)
    np.testing.assert_array_equal(controlled(rows, 37), found)


def test_gains_that_change_are_followed_without_a_jump():
    sources = np.random.default_rng(0).standard_normal((2, 100 * RATE))
    scale = np.where(np.arange(100 * RATE) < 50 * RATE, 1, 2)
    rows = np.stack([sources.sum(0), scale, sources[0] * scale, sources[1]]).astype(np.float32)
    gains = controlled(rows, 1000)[2] / rows[2]
    assert gains[0] == pytest.approx(1, abs=0.01) and gains[-1] < 0.8
    assert np.abs(np.diff(gains)).max() < 0.1 / RATE

import numpy as np
import pytest

from spiking_tasnet.separation.streaming.rumble import RumbleFilter


def filtered(samples, blocks=1000, rate=8000):
    stage = RumbleFilter(rate)
    rows = np.asarray(samples, np.float32)[None]
    found = [stage.push(rows[:, start : start + blocks]) for start in range(0, rows.shape[1], blocks)]
    return np.concatenate([*found, stage.finish()], axis=1)[0]


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("hertz, low, high", [(5, -99, -30), (12, -99, -30), (30, -0.1, 0.1), (100, -0.01, 0.01)])
def test_rumble_goes_and_voices_stay(rate, hertz, low, high):
    sine = np.sin(2 * np.pi * hertz * np.arange(3 * rate) / rate)
    found = filtered(sine, rate=rate)[rate : 2 * rate]
    assert low < 20 * np.log10(np.std(found) / np.std(sine[rate : 2 * rate])) < high
    if low > -1:  # and not delayed
        np.testing.assert_allclose(found, sine[rate : 2 * rate], atol=0.02)


@pytest.mark.parametrize("n_samples", [1, 2, 500, 800, 801, 1600, 1601, 5000])
def test_an_offset_is_gone_from_the_first_sample_to_the_last(n_samples):
    np.testing.assert_allclose(filtered(np.full(n_samples, 0.4)), np.zeros(n_samples), atol=1e-12)


@pytest.mark.parametrize("n_samples", [1, 799, 800, 801, 5003])
def test_the_ends_are_mirrored_and_blocks_do_not_show(n_samples):
    samples = np.random.default_rng(0).standard_normal(n_samples).astype(np.float32)
    stage = RumbleFilter(8000)
    mirrored = np.pad(samples.astype(np.float64), stage.reach, mode="symmetric")
    expected = samples - np.convolve(mirrored, stage.taps[0], mode="valid")
    for blocks in (1, 37, 8000) if n_samples < 1000 else (37, 8000):
        np.testing.assert_allclose(filtered(samples, blocks), expected, atol=1e-6)

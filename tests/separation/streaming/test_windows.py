import numpy as np
import pytest
import torch
from tiny_separator import TINY, tiny_network

from spiking_tasnet.separation.streaming.windows import Windows


def windowed(network, mixture, segment, blocks=700):
    windows = Windows(network, segment)
    rows = np.stack([mixture, np.full(len(mixture), 2.0, np.float32)])
    found = [windows.push(rows[:, start : start + blocks]) for start in range(0, len(mixture), blocks)]
    return np.concatenate([*found, windows.finish()], axis=1)


@pytest.mark.parametrize("spiking", [False, True])
@pytest.mark.parametrize("n_samples", [3, 15, 16, 900, 5003])
@pytest.mark.parametrize("segment", [1, 64, 1001, 100000])
def test_windows_give_what_one_run_over_everything_gives(spiking, n_samples, segment):
    network = tiny_network(spiking)
    mixture = (0.1 * np.random.default_rng(0).standard_normal(n_samples)).astype(np.float32)
    found = windowed(network, mixture, segment)
    np.testing.assert_array_equal(found[0], mixture)
    with torch.no_grad():
        padded = torch.from_numpy(np.pad(mixture, (0, max(0, 16 - n_samples))))
        whole = network(padded[None])[0, :, :n_samples].numpy()
    assert np.abs(whole).max() > 0.001
    np.testing.assert_allclose(found[2:], whole, atol=1e-6)


def test_half_the_receptive_field_less_would_not_do():
    network = tiny_network()
    mixture = (0.1 * np.random.default_rng(0).standard_normal(2000)).astype(np.float32)
    windows = Windows(network, 400)
    assert windows.context == 40  # of a receptive field of 79 samples, whole frames of 8
    windows.context = 24
    rows = np.stack([mixture, mixture])
    short = np.concatenate([windows.push(rows), windows.finish()], axis=1)[2:]
    assert np.abs(short - windowed(network, mixture, 400)[2:]).max() > 1e-4


def test_operations_are_counted_on_the_first_window_with_sound():
    network = tiny_network(spiking=True)
    windows = Windows(network, 800, count_cost=True)
    windows.push(np.zeros((2, 2000), np.float32))
    assert not windows.costs
    windows.push(np.ones((2, 4000), np.float32) * np.sin(np.arange(4000)).astype(np.float32))
    assert windows.counted_samples == 800 + 2 * windows.context
    macs = windows.costs["separator.0"].macs
    n_frames = (windows.counted_samples - TINY.kernel_size) // TINY.stride + 1
    assert macs == n_frames * TINY.n_filters * TINY.bn_chan

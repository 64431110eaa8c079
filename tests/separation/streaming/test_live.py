import numpy as np
import pytest
from tiny_runtime import c_separator, converted, noise

from spiking_tasnet.runtime.stn import pack_separator
from spiking_tasnet.separation.separator import Separator
from spiking_tasnet.separation.streaming.live import LiveStream


@pytest.fixture(scope="module")
def network():
    network = converted()
    c_separator(pack_separator(network))
    return network


def live(network, samples, rate, sizes):
    stream, pieces, place, held = LiveStream(pack_separator(network), rate), [], 0, 0
    for size in sizes:
        pieces.append(stream.push(samples[place : place + size]))
        place += size
        held = max(held, stream.taken - stream.given)
    pieces += [stream.push(samples[place:]), stream.finish(), stream.finish()]
    return np.concatenate(pieces, axis=1), stream, held


@pytest.mark.parametrize("rate", [8000, 11025, 44100])
def test_as_many_samples_come_out_whatever_the_blocks(network, rate):
    samples, random = noise(rate * 3 // 2), np.random.default_rng(0)
    expected, _, _ = live(network, samples, rate, [])
    found, _, _ = live(network, samples, rate, random.integers(0, 700, 60))
    assert expected.shape == found.shape == (2, len(samples))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_latency_is_what_it_says(network):
    _, stream, held = live(network, noise(8000), 8000, [1] * 6000)
    assert held <= stream.latency * 8000 < held + 80


def test_sources_come_at_their_level_in_the_mixture(network):
    """As in a recording, whose levels are fitted to all of it; whatever its level, and with an offset."""
    samples = noise(40000)
    sources, quiet = (live(network, level * (samples + 0.3), 8000, [])[0] / level for level in (1.0, 1e-3))
    np.testing.assert_allclose(quiet, sources, atol=1e-4 * np.abs(sources).max())
    recording = Separator(network).separate(samples, 8000)
    for late, expected in zip(sources[:, 16000:], recording[:, 16000:], strict=True):
        assert np.corrcoef(late, expected)[0, 1] > 0.95 and 0.7 < late.std() / expected.std() < 1.4


def test_silence_and_nothing_give_silence_and_nothing(network):
    assert not live(network, np.zeros(3000, np.float32), 8000, [])[0].any()
    assert live(network, np.zeros(0, np.float32), 8000, [])[0].shape == (2, 0)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_recording_separated_in_c_is_the_recording_separated_in_pytorch(network, rate):
    samples = noise(3 * rate)
    expected = Separator(network).separate(samples, rate)
    found = Separator(network, backend="c").separate(samples, rate)
    assert found.shape == expected.shape and np.abs(found - expected).max() < 1e-4


def test_other_backends_are_refused(network):
    with pytest.raises(ValueError, match="backend 'cuda' found, one of torch, c expected"):
        Separator(network, backend="cuda")

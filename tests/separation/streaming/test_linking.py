import numpy as np
import pytest
from scipy.signal import lfilter

from spiking_tasnet.separation.streaming.linking import Linker
from spiking_tasnet.separation.streaming.voice import likeness, voices

RATE = 8000


def voice(rng, seconds, f0, tilt):
    """Pulses of a glottis of `f0` Hz through a tract that is a filter of one pole, in syllables."""
    n_samples = int(seconds * RATE)
    pulses = np.diff(np.floor(np.cumsum(f0 * (1 + 0.02 * rng.standard_normal(n_samples + 1)) / RATE)))
    signal = lfilter([1], [1, -tilt], pulses + 0.02 * rng.standard_normal(n_samples))
    syllables = np.clip(np.sin(2 * np.pi * (3.5 * np.arange(n_samples) / RATE + rng.uniform())), 0.02, 1)
    signal = (signal - signal.mean()) * syllables
    return 0.1 * signal / np.std(signal)


def talkers(rng, seconds):
    return np.stack([voice(rng, seconds, 105, 0.9), voice(rng, seconds, 210, 0.5)])


def linked(sources, blocks=5000, gain=3.0):
    linker = Linker(RATE, len(sources))
    rows = np.stack([sources.sum(0) * gain, np.full(sources.shape[1], gain), *(sources * gain)]).astype(np.float32)
    found = [linker.push(rows[:, start : start + blocks]) for start in range(0, rows.shape[1], blocks)]
    return np.concatenate([*found, linker.finish()], axis=1), linker.links


@pytest.mark.parametrize("pause", [1.5, 4, 45])
def test_talkers_that_a_network_swaps_in_a_pause_are_put_back(pause):
    rng = np.random.default_rng(0)
    silence = 1e-4 * rng.standard_normal((2, int(pause * RATE)))
    stretches = [talkers(rng, 6), silence, talkers(rng, 5), silence, talkers(rng, 30)]
    network = np.concatenate([stretches[0], silence, stretches[2][::-1], silence, stretches[4]], axis=1)
    found, links = linked(network)
    np.testing.assert_allclose(found, np.concatenate(stretches, axis=1), atol=2e-3)
    assert [link.swapped for link in links] == [True, False]
    assert links[0].time_s == pytest.approx(6 + pause, abs=0.5)
    assert all(link.margin > 0.4 and not link.uncertain and link.kind == "pause" for link in links)


def test_without_a_pause_nothing_is_touched():
    rng = np.random.default_rng(1)
    network = np.concatenate(
        [talkers(rng, 25), talkers(rng, 3)[::-1], 0.001 * talkers(rng, 0.7), talkers(rng, 4)], axis=1
    )
    found, links = linked(network)
    np.testing.assert_allclose(found, network, atol=1e-6)
    assert links == []


def test_voices_that_say_nothing_keep_the_order_and_are_told():
    rng = np.random.default_rng(2)
    same = [np.stack([voice(rng, 4, 120, 0.8), voice(rng, 4, 120, 0.8)]) for _ in range(2)]
    short = talkers(rng, 0.2)
    silence = np.zeros((2, 2 * RATE))
    network = np.concatenate([silence, same[0], silence, same[1], silence, short, silence], axis=1)
    found, links = linked(network)
    assert len(links) == 2 and links[1].uncertain and not links[1].swapped and links[1].margin == 0
    np.testing.assert_allclose(found[:, -3 * RATE :], network[:, -3 * RATE :], atol=1e-6)


def test_blocks_do_not_show():
    rng = np.random.default_rng(3)
    network = np.concatenate([talkers(rng, 3), np.zeros((2, 2 * RATE)), talkers(rng, 3)[::-1]], axis=1)
    found, links = linked(network)
    assert found.shape == network.shape and len(links) == 1
    for blocks in (7, 1234):
        again, links_again = linked(network, blocks)
        np.testing.assert_array_equal(again, found)
        assert links_again == links


def test_a_voice_is_told_by_pitch_and_spectrum():
    rng = np.random.default_rng(4)
    first, second = voices(talkers(rng, 4), RATE), voices(talkers(rng, 4)[::-1], RATE)
    assert 2 ** first[0].log_f0 == pytest.approx(105, rel=0.03) and 2 ** first[1].log_f0 == pytest.approx(210, rel=0.03)
    assert likeness(first, second, (1, 0)) > 0.8 and likeness(first, second, (0, 1)) < -0.8
    both = first[0] + second[1]
    assert both.frames == first[0].frames + second[1].frames
    np.testing.assert_allclose(both.cepstra, (first[0].cepstra + second[1].cepstra) / 2, atol=1)

"""PESQ of long recordings: the code of P.862 is never given more than it takes."""

import numpy as np
import pytest
from pesq import pesq as p862

from spiking_tasnet.separation.scores.metrics import pesq
from spiking_tasnet.separation.scores.p862 import LONGEST, REACH, USUAL, pieces

RATE = 8000


def bursts(seconds, on=0.2, off=0.22, rate=RATE):
    """Noise in as many utterances as P.862 can tell apart, and the same with more noise."""
    rng, time = np.random.default_rng(3), np.arange(int(seconds * rate)) / rate
    ref = rng.standard_normal(len(time)) * ((time % (on + off)) < on) * 0.1 + 1e-5 * rng.standard_normal(len(time))
    return ref, ref + 0.02 * rng.standard_normal(len(time))


@pytest.mark.parametrize("seconds", [40, 100])
def test_many_utterances_neither_crash_nor_change_the_score(seconds):
    """The package itself dies on these, and its score of the first 24 s is another one than that of 18 s."""
    ref, est = bursts(seconds)
    short = p862(RATE, ref[: 18 * RATE], est[: 18 * RATE], "nb")
    assert pesq(est, ref, RATE) == pytest.approx(short, abs=0.03)


def test_up_to_the_limit_it_is_the_package_s_own():
    ref, est = bursts(LONGEST)
    assert pesq(est, ref, RATE) == p862(RATE, ref, est, "nb")


def test_longer_is_the_mean_over_pieces_by_length():
    ref, est = bursts(33)
    est[20 * RATE :] += 0.3 * np.random.default_rng(0).standard_normal(13 * RATE)
    parts = [(stop - start, p862(RATE, ref[start:stop], est[start:stop], "nb")) for start, stop in pieces(ref, RATE)]
    assert len(parts) == 3
    expected = sum(length * score for length, score in parts) / len(ref)
    assert pesq(est, ref, RATE) == pytest.approx(expected)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("seconds", [LONGEST, LONGEST + 0.01, 32, 33, 600])
def test_pieces_cover_the_whole_and_are_never_too_long(rate, seconds):
    ref = np.random.default_rng(0).standard_normal(int(seconds * rate))
    found = pieces(ref, rate)
    assert found[0][0] == 0 and found[-1][1] == len(ref)
    assert all(one[1] == two[0] for one, two in zip(found, found[1:], strict=False))
    lengths = [(stop - start) / rate for start, stop in found]
    assert max(lengths) <= LONGEST and (len(lengths) == 1 or min(lengths) >= USUAL / 2 - 2 * REACH)


def test_pieces_end_in_the_pause():
    ref = np.random.default_rng(0).standard_normal(24 * RATE)
    ref[int(12.8 * RATE) : int(13.1 * RATE)] = 0
    ((_, cut), _) = pieces(ref, RATE)
    assert 12.8 * RATE < cut < 13.1 * RATE


def test_a_piece_without_speech_is_left_out_and_one_with_a_silent_estimate_is_not():
    ref, est = bursts(18)
    silence = np.zeros(20 * RATE)
    assert pesq(np.concatenate([est, silence]), np.concatenate([ref, silence]), RATE) == pytest.approx(
        pesq(est, ref, RATE), abs=0.05
    )
    ref, est = bursts(40)
    est[: 20 * RATE] = 0
    assert pesq(est, ref, RATE) is None

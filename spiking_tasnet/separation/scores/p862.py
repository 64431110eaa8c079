"""PESQ of recordings of any length: P.862's reference code holds about fifty utterances and does not check.

Its tables have room for 50 utterances, that is stretches of speech of 0.2 s or more between pauses of 0.2 s or more.
Further ones overwrite other tables: the score is then another number, or the process dies (seen from 20.8 s on, where
pauses are many). Speech of `LONGEST` seconds cannot hold so many, and nothing longer is given to it.
"""

from __future__ import annotations

import math

import numpy as np

# An utterance of P.862 has at least 50 windows of 4 ms, the pause before the next at least 47: 50 need 19.2 s.
LONGEST = 19.0  # seconds given to P.862 at once
USUAL = 16.0  # longest piece in seconds before its ends move to a pause; P.862 weights 16 s evenly
REACH = (LONGEST - USUAL) / 2  # seconds that an end is moved at most
QUIET = 0.1  # seconds over which the level is averaged to find a pause


def mos_lqo(ref: np.ndarray, est: np.ndarray, sample_rate: int) -> float | None:
    """Narrow-band PESQ as MOS-LQO; of more than `LONGEST` seconds the mean over pieces, weighted by their lengths.

    Pieces end where the reference is quietest. Pieces in which P.862 finds no speech in the reference are left out.

    Args:
        ref: reference (time,).
        est: estimate (time,).
        sample_rate: 8000 or 16000 Hz.

    Returns:
        `None` where P.862 finds no speech, or a piece cannot be measured for another reason (a silent estimate).
    """
    from pesq import NoUtterancesError, PesqError
    from pesq import pesq as p862

    ref, est = np.asarray(ref, np.float64), np.asarray(est, np.float64)
    total, weight = 0.0, 0
    for start, stop in pieces(ref, sample_rate):
        if not ref[start:stop].any():
            continue
        try:
            value = float(p862(sample_rate, ref[start:stop], est[start:stop], "nb"))
        except NoUtterancesError:
            continue
        except (PesqError, ValueError):  # shorter than a quarter of a second; a silent estimate gives NaN
            return None
        total, weight = total + (stop - start) * value, weight + stop - start
    return total / weight if weight and math.isfinite(total) else None


def pieces(ref: np.ndarray, sample_rate: int) -> list[tuple[int, int]]:
    """Cut a reference (time,) into pieces of at most `LONGEST` seconds: (start, stop) in samples."""
    if len(ref) <= LONGEST * sample_rate:
        return [(0, len(ref))]
    count = math.ceil(len(ref) / (USUAL * sample_rate))
    reach, width = int(REACH * sample_rate), int(QUIET * sample_rate)
    power = np.concatenate([[0.0], np.cumsum(np.square(ref, dtype=np.float64))])
    cuts = [0]
    for number in range(1, count):
        middle = number * len(ref) // count
        starts = np.arange(middle - reach, middle + reach - width)
        quietest = starts[np.argmin(power[starts + width] - power[starts])]
        cuts.append(int(quietest) + width // 2)
    return list(zip(cuts, [*cuts[1:], len(ref)], strict=True))

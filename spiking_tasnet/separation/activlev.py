"""Active speech level after ITU-T P.56, method B: the level while somebody speaks, pauses left out."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.signal import lfilter

TIME_CONSTANT = 0.03  # s, of each of the two smoothing filters of the envelope
HANGOVER = 0.2  # s that speech is taken to go on after the envelope falls below a threshold
MARGIN_DB = 15.9  # the threshold of activity lies this far below the active level
THRESHOLDS = 2.0 ** np.arange(-40, 1)  # amplitudes, full scale 1; 6.02 dB apart as in P.56, further down than its 15


def active_level(samples: np.ndarray, sample_rate: int) -> float:
    """Active speech level of a signal as a mean square amplitude (full scale 1).

    Each threshold c gives an activity, the time for which the envelope is above c or was within the hangover, and a
    level, the energy over that time. The active level is where the level lies `MARGIN_DB` above its threshold, read
    off between the two nearest thresholds on straight lines in dB.

    Args:
        samples: (n_samples,).
        sample_rate: Hz.

    Raises:
        ValueError: the signal is empty, silent, or not finite.
    """
    samples = np.asarray(samples, dtype=np.float64)
    energy = float(samples @ samples)
    if not np.isfinite(energy):
        raise ValueError("NaN or infinite samples found; no active level is defined")
    if energy == 0:
        raise ValueError("silence found, speech expected; no active level is defined")
    decay = np.exp(-1 / (sample_rate * TIME_CONSTANT))
    smooth = ([(1 - decay) ** 2], [1, -2 * decay, decay**2])
    envelope = lfilter(*smooth, np.abs(samples))
    durations = _active_samples(envelope, round(HANGOVER * sample_rate))
    durations = durations[durations > 0]
    levels_db = 10 * np.log10(energy / durations)
    excess_db = levels_db - 20 * np.log10(THRESHOLDS[: len(durations)]) - MARGIN_DB
    below = np.flatnonzero(excess_db <= 0)
    if not len(levels_db):  # too short for the envelope to rise at all
        return energy / len(samples)
    if not len(below):  # a burst shorter than the envelope's rise: all thresholds that were reached lie far below
        return float(10 ** (levels_db[-1] / 10))
    last = int(below[0])
    if last == 0:
        return float(10 ** (levels_db[0] / 10))
    part = excess_db[last - 1] / (excess_db[last - 1] - excess_db[last])
    return float(10 ** ((levels_db[last - 1] + part * (levels_db[last] - levels_db[last - 1])) / 10))


def _active_samples(envelope: np.ndarray, hangover: int) -> np.ndarray:
    """For each threshold the samples (n_thresholds,) at which the envelope reaches it or did within the hangover."""
    # The thresholds are powers of two: a sample's exponent tells how many of them it reaches.
    exponents = np.frexp(np.maximum(envelope, THRESHOLDS[0] / 2))[1]
    reached = np.minimum(exponents + len(THRESHOLDS) - 1, len(THRESHOLDS)).astype(np.int8)
    held = maximum_filter1d(reached, hangover + 1, origin=hangover // 2, mode="constant")  # origin: only the past
    return np.bincount(held, minlength=len(THRESHOLDS) + 1)[:0:-1].cumsum()[::-1]

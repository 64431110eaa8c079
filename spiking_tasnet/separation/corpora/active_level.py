"""Active speech level after ITU-T P.56, method B, as VOICEBOX's `activlev` measures it, which MERL's script calls.

P.56 leaves the input filter, the thresholds and the end of a file open. Levels compare with published ones only where
these are alike, so the choices here are those of `activlev` by default.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy.ndimage import minimum_filter1d
from scipy.signal import cheby2, lfilter, sosfilt

LOW_EDGE, HIGH_EDGE = 200.0, 5500.0  # Hz, where the input filters have lost `EDGE_DB`
EDGE_DB, STOP_DB, ORDER = 0.25, 50.0, 5  # of the input filters, Chebyshev of the second kind
LOW_PASS_FROM = 2.2 * HIGH_EDGE  # Hz, the lowest sample rate at which speech is low-passed too
TAIL = 0.35  # s of zeros behind the signal, so that the envelope may fall
TIME_CONSTANT = 0.03  # s, of each of the two smoothing filters of the envelope
HANGOVER = 0.2  # s that speech is taken to go on after the envelope falls below a threshold
MARGIN_DB = 15.9  # the threshold of activity lies this far below the active level
BINS = 20  # thresholds on the power of the envelope, each half the one before


def active_level(samples: np.ndarray, sample_rate: int) -> float:
    """Active speech level of a signal as a mean square amplitude (full scale 1).

    The signal is filtered to the band of speech. Each threshold on the power of its envelope gives an activity, the
    time for which the envelope is above it or was within the hangover, and a level, the energy over that time. The
    active level is where the level lies `MARGIN_DB` above its threshold, read off between the two nearest thresholds
    on straight lines in dB.

    Args:
        samples: (n_samples,).
        sample_rate: Hz.

    Raises:
        ValueError: the signal is empty, silent, or not finite, or the rate is too low for the band of speech.
    """
    if sample_rate <= 2 * LOW_EDGE:
        raise ValueError(f"{sample_rate} Hz found, more than {2 * LOW_EDGE:g} Hz expected of speech; record it again")
    samples = np.asarray(samples, dtype=np.float64)
    padded = np.concatenate([samples, np.zeros(math.ceil(TAIL * sample_rate))])
    speech = np.asarray(sosfilt(_band(sample_rate), padded))
    energy = float(speech @ speech)
    if not np.isfinite(energy):
        raise ValueError("NaN or infinite samples found; no active level is defined")
    decay = math.exp(-1 / sample_rate / TIME_CONSTANT)
    envelope = np.asarray(lfilter([(1 - decay) ** 2], [1, -2 * decay, decay**2], np.abs(speech)))
    power = envelope * envelope
    if not samples.any() or power.max() == 0:
        raise ValueError("silence found, speech expected; no active level is defined")
    # Not HANGOVER * sample_rate: rounded up, some rates would give one sample less than `activlev` takes.
    durations, top = _active_samples(power, math.ceil(HANGOVER / (1 / sample_rate)) + 1)
    levels_db = 10 * np.log10(energy / durations)
    thresholds_db = 10 * np.log10(2) * (top - 1 - np.arange(BINS))
    return float(10 ** (_crossing(levels_db, levels_db - thresholds_db - MARGIN_DB) / 10))


@cache
def _band(sample_rate: int) -> np.ndarray:
    """The input filters as second-order sections (n_sections, 6).

    A filter of the second kind is designed by the edge of its stop band. With that at `ratio` of the pass band's, the
    response of an analog high pass at its edge is 1 / (1 + 1 / (eps cosh(ORDER acosh(1 / ratio)))^2), which is to be
    `EDGE_DB`; the bilinear transform maps the edges by their tangents.
    """
    eps = 1 / math.sqrt(10 ** (STOP_DB / 10) - 1)
    inner = 1 / (eps * math.sqrt(10 ** (EDGE_DB / 10) - 1))
    ratio = 1 / math.cosh(math.acosh(inner) / ORDER)
    per_turn = math.pi / sample_rate
    edge = math.atan(ratio * math.tan(LOW_EDGE * per_turn)) / per_turn
    sections = [np.asarray(cheby2(ORDER, STOP_DB, edge, "highpass", output="sos", fs=sample_rate))]
    if sample_rate >= LOW_PASS_FROM:
        edge = math.atan(math.tan(HIGH_EDGE * per_turn) / ratio) / per_turn
        sections.append(np.asarray(cheby2(ORDER, STOP_DB, edge, "lowpass", output="sos", fs=sample_rate)))
    return np.concatenate(sections)


def _active_samples(power: np.ndarray, hangover: int) -> tuple[np.ndarray, int]:
    """Samples (BINS,) at which the envelope reaches each threshold or did within the last `hangover`, from the highest.

    The thresholds are 2**(top - 1), 2**(top - 2), ...; the last one counts all samples, silent ones too.

    Returns:
        Samples above each threshold; the exponent `top` of the largest power, which lies in [2**(top - 1), 2**top).
    """
    exponents = np.frexp(power)[1]  # the bins are powers of two, so no logarithm is needed
    top = int(np.frexp(power.max())[1])
    below = np.where(power > 0, np.minimum(top - exponents, BINS - 1), BINS - 1).astype(np.int8)
    # The origin moves the window of `hangover` samples so that it ends at its own sample.
    held = minimum_filter1d(below, hangover, origin=(hangover - 1) // 2, mode="constant", cval=BINS - 1)
    return np.bincount(held, minlength=BINS).cumsum(), top


def _crossing(levels_db: np.ndarray, excess_db: np.ndarray) -> float:
    """The level where its excess over threshold and margin rises through zero; the nearest one if it never does."""
    rises = np.flatnonzero((excess_db[:-1] < 0) & (excess_db[1:] >= 0))
    if not len(rises):
        return float(levels_db[-1] if excess_db[-1] <= 0 else levels_db[0])
    before = rises[0]
    part = 1 / (1 - excess_db[before + 1] / excess_db[before])
    return float(levels_db[before] + part * (levels_db[before + 1] - levels_db[before]))

"""Mix one mixture by MERL's procedure (wsj0-mix): level, gain, length, sum, one peak gain for mixture and sources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import firwin, resample_poly

PEAK = 0.9  # of full scale, the largest sample of the mixture and its sources
HEARD = 0.5 / 32768  # of full scale: what stays below is written as silence
MODES = ("min", "max")
PERIODS, BETA = 10, 5.0  # of the resampling filter: of its sinc each way; of its Kaiser window
BLOCK = 16  # outputs of one row of the matrix product that resamples


def check_mode_and_rate(mode: str, sample_rate: int) -> None:
    """Refuse a `mode` that is not of `MODES` and a sample rate that is not in Hz.

    Raises:
        ValueError: one line that says what is expected.
    """
    if mode not in MODES:
        raise ValueError(f"--mode {mode!r} found, min or max expected")
    if sample_rate < 1000:
        raise ValueError(f"--sample-rate {sample_rate} found, Hz expected, e.g. 8000")


def rate_dir(sample_rate: int) -> str:
    """MERL's name of a folder of one rate: `wav8k`."""
    return f"wav{sample_rate / 1000:g}k"


def resample(samples: np.ndarray, rate: int, target_rate: int) -> np.ndarray:
    """Resample (n_samples,) with the Kaiser-windowed polyphase filter that Matlab's resample uses too.

    Raises:
        ValueError: the target rate is higher; resampling cannot restore missing frequencies.
    """
    if rate < target_rate:
        raise ValueError(f"{rate} Hz found, at least {target_rate} Hz expected; ask for a lower --sample-rate")
    if rate == target_rate:
        return samples
    common = math.gcd(rate, target_rate)
    if target_rate == common:
        return _decimate(samples, rate // common)
    return resample_poly(samples, target_rate // common, rate // common)


def _decimate(samples: np.ndarray, factor: int) -> np.ndarray:
    """The same as `resample_poly(samples, 1, factor)`, as a matrix product over blocks: two to three times as fast."""
    filters = _block_filters(factor)
    n_outputs = -(-len(samples) // factor)
    n_blocks = -(-n_outputs // BLOCK)
    padded = np.zeros(len(filters) + (n_blocks - 1) * BLOCK * factor)
    padded[PERIODS * factor :][: len(samples)] = samples
    return (sliding_window_view(padded, len(filters))[:: BLOCK * factor] @ filters).reshape(-1)[:n_outputs]


@cache
def _block_filters(factor: int) -> np.ndarray:
    """The filter's taps (n_inputs, BLOCK), each output's `factor` inputs further down."""
    taps = firwin(2 * PERIODS * factor + 1, 1 / factor, window=("kaiser", BETA))  # pyright: ignore[reportArgumentType]
    filters = np.zeros(((BLOCK - 1) * factor + len(taps), BLOCK))
    for output in range(BLOCK):
        filters[output * factor :, output][: len(taps)] = taps
    return filters


def fit_lengths(signals: Sequence[np.ndarray], mode: str) -> np.ndarray:
    """Bring signals (time_i,) to one length: ``min`` cuts to the shortest, ``max`` pads with zeros to the longest.

    Returns:
        (n_signals, time).

    Raises:
        ValueError: unknown mode.
    """
    if mode not in MODES:
        raise ValueError(f"mode {mode!r} found, min or max expected")
    n_samples = min(map(len, signals)) if mode == "min" else max(map(len, signals))
    fitted = np.zeros((len(signals), n_samples))
    for place, signal in enumerate(signals):
        fitted[place, : len(signal)] = signal[:n_samples]
    return fitted


def check_heard(sources: np.ndarray) -> None:
    """Refuse sources (n_src, time), as they are to be written, of which one is silent.

    Raises:
        ValueError: which one; its estimates could not be scored.
    """
    silent = np.flatnonzero(np.abs(sources).max(axis=1, initial=0.0) < HEARD)
    if len(silent):
        kept = sources.shape[1]
        raise ValueError(f"source {silent[0] + 1} is silent in the {kept} samples kept; take it out of the list")


def mix(
    sources: Sequence[np.ndarray], levels: Sequence[float], gains: Sequence[float], mode: str = "min"
) -> tuple[np.ndarray, np.ndarray]:
    """Mix talkers.

    Args:
        sources: signals (time_i,).
        levels: active speech level of each (mean square amplitude, > 0).
        gains: dB of each, on signals normalised to active level 1.
        mode: ``min`` cuts all to the shortest, ``max`` pads all with zeros to the longest.

    Returns:
        Mixture (time,) and sources (n_src, time) whose sum it is; the largest sample of all is `PEAK`.

    Raises:
        ValueError: unknown mode, or silence in the part that is kept.
    """
    scales = [10 ** (gain / 20) / math.sqrt(level) for level, gain in zip(levels, gains, strict=True)]
    scaled = fit_lengths([source * scale for source, scale in zip(sources, scales, strict=True)], mode)
    mixture = scaled.sum(axis=0)
    peak = max(np.abs(mixture).max(initial=0.0), np.abs(scaled).max(initial=0.0))
    scale = PEAK / peak if peak else 0.0
    check_heard(scaled * scale)
    return mixture * scale, scaled * scale

"""One mixture after MERL's procedure (wsj0-mix): level, gain, length, sum, one peak gain for mixture and sources."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.signal import resample_poly

PEAK = 0.9  # of full scale, the largest sample of the mixture and its sources
MODES = ("min", "max")


def resample(samples: np.ndarray, rate: int, target_rate: int) -> np.ndarray:
    """Resample (n_samples,) with the Kaiser-windowed polyphase filter that Matlab's resample uses too.

    Raises:
        ValueError: the target rate is the higher one; speech cannot be given back what it lacks.
    """
    if rate < target_rate:
        raise ValueError(f"{rate} Hz found, at least {target_rate} Hz expected; ask for a lower --sample-rate")
    common = math.gcd(rate, target_rate)
    return samples if rate == target_rate else resample_poly(samples, target_rate // common, rate // common)


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
    if mode not in MODES:
        raise ValueError(f"mode {mode!r} found, min or max expected")
    n_samples = min(map(len, sources)) if mode == "min" else max(map(len, sources))
    scaled = np.zeros((len(sources), n_samples))
    for place, (source, level, gain) in enumerate(zip(sources, levels, gains, strict=True)):
        kept = source[:n_samples]
        scaled[place, : len(kept)] = kept * (10 ** (gain / 20) / math.sqrt(level))
    silent = np.flatnonzero(~scaled.any(axis=1))
    if len(silent):
        raise ValueError(f"source {silent[0] + 1} is silent in the {n_samples} samples kept; take it out of the list")
    mixture = scaled.sum(axis=0)
    peak = max(np.abs(mixture).max(), np.abs(scaled).max())
    return mixture * (PEAK / peak), scaled * (PEAK / peak)

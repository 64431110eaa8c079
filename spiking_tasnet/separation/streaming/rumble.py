"""Remove offset and rumble below about 20 Hz, which no training mixture has, before the network."""

from __future__ import annotations

import numpy as np
from scipy.signal import firwin, oaconvolve

from spiking_tasnet.separation.streaming.fifo import Fifo, joined

CUTOFF = 20.0  # Hz, where half the amplitude is left; -45 dB up to 12 Hz, within 0.05 dB from 28 Hz on
SECONDS = 0.2  # length of the filter


class RumbleFilter:
    """A high-pass filter of linear phase: the input less what a low-pass filter leaves of it.

    Linear phase, because one of minimum phase would turn the lowest harmonics of a voice by tens of degrees. At both
    ends the signal is mirrored, so that an offset is gone from the first sample on.

    Args:
        sample_rate: Hz.
    """

    def __init__(self, sample_rate: int):
        self.reach = max(1, round(SECONDS * sample_rate / 2))  # samples on either side that an output reads
        self.taps = np.asarray(firwin(2 * self.reach + 1, CUTOFF, window="hann", fs=sample_rate))[None]
        self._begun, self._beginning, self._behind = False, Fifo(1), np.zeros((1, 0))

    def push(self, rows: np.ndarray) -> np.ndarray:
        """(1, n_samples) -> (1, as many as are ready), float32."""
        if self._begun:
            return self._filter(rows)
        self._beginning.push(rows)
        if len(self._beginning) < self.reach:
            return joined([], 1)
        self._begun, beginning = True, self._beginning.take(len(self._beginning))
        return self._filter(np.pad(beginning, ((0, 0), (self.reach, 0)), mode="symmetric"))

    def finish(self) -> np.ndarray:
        """The rest, (1, n_samples)."""
        if self._begun:
            mirrored = np.pad(self._behind[:, -self.reach :], ((0, 0), (0, self.reach)), mode="symmetric")
            return self._filter(mirrored[:, self.reach :])
        short = self._beginning.take(self.reach)
        if not short.shape[1]:
            return short
        return self._filter(np.pad(short, ((0, 0), (self.reach, self.reach)), mode="symmetric"))

    def _filter(self, rows: np.ndarray) -> np.ndarray:
        """Append `rows` to what is behind and give every sample with `reach` of them on either side."""
        rows = np.concatenate([self._behind, rows], axis=1, dtype=np.float64)
        self._behind = rows[:, -2 * self.reach :]
        if rows.shape[1] <= 2 * self.reach:
            return joined([], 1)
        high = rows[:, self.reach : -self.reach] - oaconvolve(rows, self.taps, mode="valid", axes=1)
        return high.astype(np.float32)

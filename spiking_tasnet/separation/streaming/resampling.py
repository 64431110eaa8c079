"""Change the sample rate block by block, without delay and at a bounded cost for any two rates."""

from __future__ import annotations

import numpy as np
import soxr

RATES = (1000, 1_000_000)  # Hz, least and most
QUALITY = "VHQ"  # soxr computes it in float64


class Resampler:
    """From one sample rate to another. Between equal rates samples pass unchanged, to the bit.

    libsoxr interpolates the filter for rates without a small common ratio, such as 44101 Hz to 8000 Hz, so the cost
    is bounded. The output is aligned with the input in time and does not depend on the sizes of the blocks.

    Args:
        rate: of what comes in, Hz.
        target_rate: of what goes out, Hz.
        n_rows: signals resampled side by side.
    """

    def __init__(self, rate: int, target_rate: int, n_rows: int):
        self.n_rows = n_rows
        self._stream = None
        if rate != target_rate:
            self._stream = soxr.ResampleStream(rate, target_rate, n_rows, dtype="float32", quality=QUALITY)

    def push(self, rows: np.ndarray) -> np.ndarray:
        """(n_rows, n_samples) -> (n_rows, as many as are ready)."""
        return rows if self._stream is None else self._resample(self._stream, rows, last=False)

    def finish(self) -> np.ndarray:
        """The rest, (n_rows, n_samples)."""
        rest = np.zeros((self.n_rows, 0), np.float32)
        if self._stream is not None:
            rest, self._stream = self._resample(self._stream, rest, last=True), None
        return rest

    def _resample(self, stream: soxr.ResampleStream, rows: np.ndarray, last: bool) -> np.ndarray:
        frames = np.ascontiguousarray(rows.T if self.n_rows > 1 else rows[0], dtype=np.float32)
        return stream.resample_chunk(frames, last=last).reshape(-1, self.n_rows).T

"""Samples that wait between two stages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


class Fifo:
    """First in, first out, in columns.

    Args:
        n_rows: rows that belong together, e.g. one per talker.
    """

    def __init__(self, n_rows: int):
        self._waiting = np.zeros((n_rows, 0), np.float32)

    def __len__(self) -> int:
        """Samples that wait."""
        return self._waiting.shape[1]

    def push(self, rows: np.ndarray) -> None:
        """Add (n_rows, n_samples) at the end."""
        self._waiting = np.concatenate([self._waiting, rows], axis=1)

    def peek(self, n_samples: int) -> np.ndarray:
        """The first `n_samples`, or as many as there are, which stay."""
        return self._waiting[:, :n_samples]

    def take(self, n_samples: int) -> np.ndarray:
        """The first `n_samples`, or as many as there are, which leave."""
        taken, self._waiting = self._waiting[:, :n_samples], self._waiting[:, n_samples:]
        return taken

    def blocks(self, n_samples: int, last: bool = False) -> Iterator[np.ndarray]:
        """Take every whole block of `n_samples`; of the `last` samples also the block that is not whole."""
        while len(self) >= n_samples:
            yield self.take(n_samples)
        if last and len(self):
            yield self.take(n_samples)


def joined(pieces: list[np.ndarray], n_rows: int) -> np.ndarray:
    """Put pieces (n_rows, n_samples_i) side by side; no pieces give (n_rows, 0)."""
    return np.concatenate([np.zeros((n_rows, 0), np.float32), *pieces], axis=1)

"""Fit the network's sources, whose level is free, to the mixture."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from spiking_tasnet.separation.streaming.fifo import Fifo, joined

BLOCK_SECONDS = 4
LOOK_AHEAD = 8  # blocks


def fitting_gains(est_sources: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """Gains with which the sum of the sources is nearest to the mixture, each of the sign its source has in it.

    SI-SDR, which the network is trained with, leaves a source both its level and its sign.

    Args:
        est_sources: (n_src, time).
        mixture: (time,).

    Returns:
        (n_src,), float64. A silent source, and every source of a silent mixture, gets 0.
    """
    est_sources, mixture = est_sources.astype(np.float64), mixture.astype(np.float64)
    return solve_gains(est_sources @ est_sources.T, est_sources @ mixture)


def solve_gains(gram: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """As `fitting_gains`, from the normal equations: as many unknowns as talkers, however long the mixture.

    Args:
        gram: inner products of the sources, (n_src, n_src).
        cross: inner products of each source and the mixture, (n_src,).
    """
    gains = np.zeros(len(cross))
    heard = np.flatnonzero(gram.diagonal() > 0)
    if len(heard) and cross.any():
        scale = np.where(cross[heard] < 0, -1.0, 1.0) * np.sqrt(gram.diagonal()[heard])
        unit_gram = gram[np.ix_(heard, heard)] / np.outer(scale, scale)
        root = np.linalg.cholesky(unit_gram + 1e-9 * np.eye(len(heard)))
        gains[heard] = nnls(root.T, np.linalg.solve(root, cross[heard] / scale))[0] / scale
    return gains


class GainControl:
    """Multiplies each source by the gain that fits it to the mixture.

    The gains are fitted to everything up to half a minute ahead, one fit each `BLOCK_SECONDS`, and move by a straight
    line in between: the gains of a recording of half a minute are constant, those of a longer one become so.

    Args:
        sample_rate: Hz.
        n_src: number of talkers.
    """

    def __init__(self, sample_rate: int, n_src: int):
        self.block, self.n_rows = BLOCK_SECONDS * sample_rate, 2 + n_src
        self._fifo, self._waiting = Fifo(self.n_rows), []
        self._gram, self._cross = np.zeros((n_src, n_src)), np.zeros(n_src)
        self._gains: np.ndarray | None = None  # where the first block that waits begins

    def push(self, rows: np.ndarray) -> np.ndarray:
        """(2 + n_src, n_samples) -> (2 + n_src, as many as are ready): mixture, its gain, sources at its level."""
        self._fifo.push(rows)
        ready = []
        for block in self._fifo.blocks(self.block):
            self._add(block)
            if len(self._waiting) > LOOK_AHEAD:
                ready.append(self._first())
        return joined(ready, self.n_rows)

    def finish(self) -> np.ndarray:
        """The rest, (2 + n_src, n_samples)."""
        for block in self._fifo.blocks(self.block, last=True):
            self._add(block)
        ready = []
        while self._waiting:
            ready.append(self._first())
        return joined(ready, self.n_rows)

    def _add(self, block: np.ndarray) -> None:
        self._waiting.append(block)
        mixture, sources = block[0].astype(np.float64), block[2:].astype(np.float64)
        self._gram += sources @ sources.T
        self._cross += sources @ mixture

    def _first(self) -> np.ndarray:
        """Take the block that waits longest, with gains that run from the last fit to that of all blocks so far."""
        block, end = self._waiting.pop(0), solve_gains(self._gram, self._cross)
        begin = end if self._gains is None else self._gains
        self._gains = end
        gains = np.linspace(begin, end, block.shape[1], endpoint=False, axis=1)
        return np.concatenate([block[:2], block[2:] * gains]).astype(np.float32)

"""The network in C on a recording of any length: frame by frame, so that there are no windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spiking_tasnet.runtime.backend import CSeparator
from spiking_tasnet.separation.streaming.fifo import Fifo

if TYPE_CHECKING:
    from spiking_tasnet.snn.energy import LayerCost


class CompiledNetwork:
    """Takes the place of `Windows`; what is held back is the network's look-ahead.

    Args:
        model: contents of an .stn file.

    Attributes:
        costs, counted_samples: nothing, as in `Windows` where nothing is to be counted.
    """

    def __init__(self, model: bytes):
        self.separator = CSeparator(model)
        self.costs: dict[str, LayerCost] = {}
        self.counted_samples = 0
        self._fifo = Fifo(2)

    def push(self, rows: np.ndarray) -> np.ndarray:
        """(2, n_samples) -> (2 + n_src, as many as are ready): the two rows as they came, the sources."""
        self._fifo.push(rows)
        return self._beside(self.separator.push(rows[0]))

    def finish(self) -> np.ndarray:
        """The rest, (2 + n_src, n_samples)."""
        return self._beside(self.separator.finish())

    def _beside(self, sources: np.ndarray) -> np.ndarray:
        if not np.isfinite(sources).all():
            raise ValueError("NaN or infinite sources found: the model is damaged or badly trained; give another one")
        return np.concatenate([self._fifo.take(sources.shape[1]), sources])

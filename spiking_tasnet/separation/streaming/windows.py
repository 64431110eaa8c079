"""The network on a recording of any length: windows with as much context as an output sample depends on."""

from __future__ import annotations

import numpy as np
import torch

from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.separation.streaming.fifo import Fifo, joined
from spiking_tasnet.snn.energy import LayerCost, record_cost


class Windows:
    """Applies the network to windows and keeps their middle, where the result is that of the whole recording.

    The network has no memory beyond its receptive field and its normalisation works frame by frame. So a window that
    begins on a frame and carries half the receptive field on either side gives the same samples in its middle as a run
    over everything: there are no seams to hide, and no talkers to match from one window to the next.

    Args:
        network: in eval mode.
        segment: samples kept of each window.
        count_cost: count the operations of one window, the first that is not silent (it takes a third longer).

    Attributes:
        costs: by layer, of that window; empty before.
        counted_samples: length of that window.
    """

    def __init__(self, network: TasNet, segment: int, count_cost: bool = False):
        self.network, stride = network, network.config.stride
        sides = 1 if network.config.causal else 2  # on which the field of a sample lies
        self.context = -(-(network.receptive_field - 1) // sides // stride) * stride
        self.segment = max(1, round(segment / stride)) * stride
        self.device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
        self.n_rows = 2 + network.config.n_src
        self.costs: dict[str, LayerCost] = {}
        self.counted_samples, self._count_cost = 0, count_cost
        self._fifo, self._kept = Fifo(2), 0  # `_kept`: samples of the fifo that are context only

    def push(self, rows: np.ndarray) -> np.ndarray:
        """(2, n_samples) -> (2 + n_src, as many as are ready): the two rows as they came, the sources."""
        self._fifo.push(rows)
        ready = []
        while len(self._fifo) - self._kept >= self.segment + self.context:
            ready.append(self._window(self.segment))
        return joined(ready, self.n_rows)

    def finish(self) -> np.ndarray:
        """The rest, (2 + n_src, n_samples)."""
        rest = len(self._fifo) - self._kept
        return joined([self._window(rest)] if rest else [], self.n_rows)

    def _window(self, n_samples: int) -> np.ndarray:
        """The next `n_samples`, with the context that there is."""
        window = self._fifo.peek(self._kept + n_samples + self.context)
        result = np.concatenate([window, self._sources(window[0])])[:, self._kept : self._kept + n_samples]
        keep = min(self.context, self._kept + n_samples)
        self._fifo.take(self._kept + n_samples - keep)
        self._kept = keep
        return result

    def _sources(self, mixture: np.ndarray) -> np.ndarray:
        """(n_samples,) -> (n_src, n_samples), float32."""
        n_samples, shortest = len(mixture), self.network.config.kernel_size
        if not mixture.any():  # without a bias in encoder and decoder, silence gives silence
            return np.zeros((self.network.config.n_src, n_samples), np.float32)
        padded = torch.from_numpy(np.pad(mixture, (0, max(0, shortest - n_samples))))[None].to(self.device)
        with torch.no_grad():
            if self._count_cost and not self.costs:
                with record_cost(self.network) as self.costs:
                    sources = self.network(padded)
                self.counted_samples = n_samples
            else:
                sources = self.network(padded)
        sources = sources[0, :, :n_samples].cpu().numpy()
        if not np.isfinite(sources).all():
            raise ValueError("NaN or infinite sources found: the model is damaged or badly trained; give another one")
        return sources

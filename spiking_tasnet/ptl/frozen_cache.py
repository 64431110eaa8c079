"""The spikes of frozen layers, kept for the rest of a PTL stage: each item is simulated once, not once per epoch."""

from __future__ import annotations

import hashlib
import logging

import torch
from torch import Tensor

from spiking_tasnet.snn import ConvertibleLayer, Spikes

logger = logging.getLogger(__name__)


class FrozenCache:
    """Packed spikes of the last frozen layer, by the content of what the first one is given.

    An item that is met again (every epoch, where the data is not augmented; at every validation in any case) passes
    the frozen layers by; the others of its batch are simulated. The network must be a chain as far as it is frozen:
    nothing but the next layer may read what a frozen layer fires.

    Args:
        budget: bytes of spikes kept at most; what comes later is simulated every time.
    """

    def __init__(self, budget: int):
        self.budget, self.used = budget, 0
        self._layers: list[ConvertibleLayer] = []
        self._kept: dict[bytes, Tensor] = {}  # item -> words (chan, ...) of the last layer
        self._keys: list[bytes] = []  # of the batch that is under way

    def attach(self, layers: list[ConvertibleLayer]) -> None:
        """Keep what the last of these frozen layers, given in execution order, fires; forget everything else."""
        self.detach()
        if not self.budget or not layers or layers[0].num_steps > 32:
            return
        self._layers = layers
        for index, layer in enumerate(layers):
            layer.bypass = self._first if index == 0 else self._later

    def detach(self) -> None:
        """Let the layers compute as they are."""
        if self._kept:
            logger.info("frozen layers: spikes of %d items kept, %.0f MiB", len(self._kept), self.used / 2**20)
        for layer in self._layers:
            layer.bypass = None
        self._layers, self._kept, self.used = [], {}, 0

    def _first(self, layer: ConvertibleLayer, x: Tensor | Spikes) -> Tensor | Spikes:
        if torch.is_grad_enabled() and isinstance(x, Tensor) and x.requires_grad:
            raise ValueError("a gradient is wanted through frozen layers that are passed by: set ptl.cache_mib to 0")
        self._keys = [hashlib.blake2b(item.tobytes(), digest_size=16).digest() for item in _rows(x)]
        missing = [index for index, key in enumerate(self._keys) if key not in self._kept]
        if len(missing) < len(self._keys):
            if not missing:
                return self._leave(layer, _nothing(layer, x.device))
            x = _items(x, torch.tensor(missing, device=x.device))
        return self._leave(layer, layer.run_role(x))

    def _later(self, layer: ConvertibleLayer, x: Tensor | Spikes) -> Tensor | Spikes:
        return self._leave(layer, x if x.shape[0] == 0 else layer.run_role(x))

    def _leave(self, layer: ConvertibleLayer, fired: Tensor | Spikes) -> Tensor | Spikes:
        """Behind the last frozen layer: keep what is new, put the batch together again."""
        if layer is not self._layers[-1]:
            return fired
        assert isinstance(fired, Spikes)  # a readout is never below the layer of a stage
        fresh = dict(zip([key for key in self._keys if key not in self._kept], fired.code, strict=True))
        rows = [fresh[key] if key in fresh else self._kept[key].to(fired.device) for key in self._keys]
        for key, words in fresh.items():
            if self.used + words.numel() * words.element_size() <= self.budget:
                # A copy of its own, in the order of the kernels' memory: channels last.
                self._kept[key] = words.detach().to("cpu", copy=True, memory_format=torch.preserve_format)
                self.used += words.numel() * words.element_size()
        return Spikes(None, torch.stack(rows), layer.spike_amplitude, layer.num_steps, fired.axis)


def _items(x: Tensor | Spikes, index: Tensor) -> Tensor | Spikes:
    """The items of a batch that `index` names."""
    return Spikes(None, x.code[index], x.threshold, x.num_steps, x.axis) if isinstance(x, Spikes) else x[index]


def _rows(x: Tensor | Spikes) -> list:
    values = x.code if isinstance(x, Spikes) else x
    return list(values.detach().to("cpu", torch.float32 if values.is_floating_point() else torch.int32).numpy())


def _nothing(layer: ConvertibleLayer, device: torch.device) -> Spikes:
    """A batch of no items, with the axes of what the layer fires."""
    code = torch.zeros(0, *(1,) * (layer.operator.weight.dim() - 1), dtype=torch.int32, device=device)
    return Spikes(None, code, layer.spike_amplitude[:1], layer.num_steps)

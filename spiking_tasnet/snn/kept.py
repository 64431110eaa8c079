"""What a layer works out of its weights, kept while it is only used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from spiking_tasnet.snn.network import convertible_layers


class Kept:
    """Values by name, as long as the spikes that come in are worth the same."""

    def __init__(self) -> None:
        self._worth: Tensor | None = None
        self._values: dict[str, Any] = {}

    def get(self, name: str, input_worth: Tensor | None, make: Callable[[], Any]) -> Any:
        """The value called `name`, made once for this `input_worth`, (1,) or (in,); None where no spikes come in."""
        before = self._worth
        if (before is None) != (input_worth is None) or (before is not None and not torch.equal(before, input_worth)):
            self._values = {}
            self._worth = None if input_worth is None else input_worth.clone()
        if name not in self._values:
            self._values[name] = make()
        return self._values[name]


def keep_synapses(network: nn.Module) -> None:
    """Have every converted layer quantise, scale and pack its weights once instead of at each call.

    For a network that is used and not trained. A layer forgets what it kept when it is put in training mode, loads a
    state or is converted; weights that are written to in another way are not noticed.
    """
    for layer in convertible_layers(network).values():
        layer.kept = Kept()

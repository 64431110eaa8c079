"""Thresholds that are trained in the joint stage."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spiking_tasnet.snn import ConvertibleLayer
from spiking_tasnet.snn.compose import convertible_layers

LARGEST_CHANGE = 0.01  # of a threshold, in one step of an optimiser, so that it stays positive


class TrainedThresholds:
    """Which thresholds of a module are parameters, and how far one step moves them.

    Args:
        module: whose layers they are.
    """

    def __init__(self, module: nn.Module):
        self.layers = convertible_layers(module)
        self._before: dict[str, Tensor] = {}

    def names(self, trained: list[str]) -> list[str]:
        """Names of the thresholds to train: of the layers that fire and whose weights are among `trained`."""
        return [
            f"{name}.threshold"
            for name, layer in self.layers.items()
            if layer.is_spiking and f"{name}.operator.weight" in trained
        ]

    def begin(self, names: list[str]) -> None:
        """Make parameters of the thresholds that are among `names`, before the optimisers are made."""
        for name, layer in self.layers.items():
            if f"{name}.threshold" in names:
                layer.train_threshold()

    def end(self) -> None:
        """Make buffers of all of them again."""
        for layer in self._trained().values():
            layer.train_threshold(False)

    def note(self) -> None:
        """Keep them as they are before a step."""
        self._before = {name: layer.threshold.detach().clone() for name, layer in self._trained().items()}

    @torch.no_grad()
    def limit(self) -> None:
        """Bring them back within `LARGEST_CHANGE` of what they were before the step."""
        for name, before in self._before.items():
            self.layers[name].threshold.clamp_(before * (1 - LARGEST_CHANGE), before * (1 + LARGEST_CHANGE))

    def _trained(self) -> dict[str, ConvertibleLayer]:
        return {name: layer for name, layer in self.layers.items() if isinstance(layer.threshold, nn.Parameter)}

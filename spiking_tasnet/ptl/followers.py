"""Copies of the network, inside the same module, that follow its weights by an average written by hand."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from torch import Tensor

from spiking_tasnet.snn import convertible_layers


class Followers:
    """Notices in the first batch that a module averages the weights of the converted network into another one.

    Folding a batch norm gives weights another meaning, and an average of both meanings is no network.
    """

    def __init__(self) -> None:
        self._before: dict[str, Tensor] | None = None
        self._noted = False

    def note(self, module: pl.LightningModule, converted: set[str]) -> None:
        """Keep the weights that nothing trains, of layers outside the network; once in a training.

        Args:
            module: that is fitted.
            converted: names of the layers that are, or will be, converted.
        """
        layers = convertible_layers(module)
        if self._noted or all(layers[name].norm is None for name in converted):
            return
        self._noted = True
        self._before = {
            f"{name}.operator.{key}": value.detach().clone()
            for name, layer in layers.items()
            if name not in converted
            for key, value in layer.operator.named_parameters()
            if not value.requires_grad
        }

    def check(self, module: pl.LightningModule) -> None:
        """Compare them after the batch.

        Raises:
            ValueError: naming one that has changed.
        """
        before, self._before = self._before, None
        for name, value in (before or {}).items():
            if not torch.equal(module.get_parameter(name), value):
                raise ValueError(
                    f"{name!r} changed in a batch though nothing trains it, so it follows the network that is "
                    "converted: batch norms are folded into weights, whose average with unfolded ones is no network; "
                    "stop the average for the conversion"
                )

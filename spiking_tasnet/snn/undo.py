"""A conversion is done as a whole or not at all: layers as they were, where it fails half-way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from spiking_tasnet.snn.layers import ConvertibleLayer

# What a conversion changes of a layer itself, besides its operator.
FIELDS = ("settings", "kept", "window", "label", "_layer_wise")


@contextmanager
def restored_on_failure(layers: Iterable[ConvertibleLayer]) -> Iterator[None]:
    """If the block raises, give the layers the role, weights and thresholds back that they had before it.

    Parameters stay the same objects, so optimisers keep what they hold. It takes a copy of the layers' weights.
    """
    saved = [_Saved(layer) for layer in dict.fromkeys(layers)]
    try:
        yield
    except BaseException:
        for layer in saved:
            layer.restore()
        raise


class _Saved:
    """One layer as it is now."""

    def __init__(self, layer: ConvertibleLayer):
        self.layer, self.fields = layer, {name: getattr(layer, name) for name in FIELDS}
        self.modules = [
            (module, type(module), _attributes(module)) for module in layer.modules() if module is not layer
        ]
        tensors = {id(tensor): tensor for tensor in (*layer.parameters(), *layer.buffers())}.values()
        self.tensors = [(tensor, tensor.detach(), tensor.detach().clone(), tensor.requires_grad) for tensor in tensors]

    @torch.no_grad()
    def restore(self) -> None:
        for module, kind, attributes in self.modules:
            module.__class__ = kind
            vars(module).clear()
            for name, value, content in attributes:
                vars(module)[name] = value
                if content is not None:
                    value.clear()
                    value.update(content)
        for tensor, memory, values, requires_grad in self.tensors:
            tensor.data = memory.copy_(values)
            tensor.requires_grad_(requires_grad)
        for name, value in self.fields.items():
            setattr(self.layer, name, value)


def _attributes(module: nn.Module) -> list[tuple[str, Any, dict | None]]:
    """Name and value of each attribute, and a copy of a dictionary (of parameters, children, hooks)."""
    return [(name, value, value.copy() if isinstance(value, dict) else None) for name, value in vars(module).items()]

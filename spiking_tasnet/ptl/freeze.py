"""Find the modules below a layer and freeze them: weights, batch norm statistics and dropout."""

from __future__ import annotations

from torch import nn


def below(order: list[str], layer: str) -> list[str]:
    """Names of the modules that run before `layer`.

    Raises:
        ValueError: the network's forward never reaches the layer.
    """
    if layer not in order:
        raise ValueError(f"layer {layer!r} is never run by the network; remove it or call it in forward")
    return order[: order.index(layer)]


def freeze(network: nn.Module, names: list[str]) -> None:
    """Stop the gradients of the named modules and hold them in eval mode (batch norm statistics, dropout)."""
    for name in names:
        module = network.get_submodule(name)
        module.eval()
        for parameter in module.parameters():
            parameter.requires_grad_(False)


def hold(network: nn.Module, trainable: list[str] | None) -> None:
    """Stop the gradients of all parameters but those of these names; None for no parameter."""
    if trainable is None:
        return
    names = set(trainable)
    for name, parameter in network.named_parameters(remove_duplicate=False):
        if name not in names:
            parameter.requires_grad_(False)

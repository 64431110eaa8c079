"""Networks of convertible layers: find them, the order in which they run, and what they share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from spiking_tasnet.snn.kept import Kept
from spiking_tasnet.snn.layers import ConvertibleLayer

# What may lie between spiking layers: it keeps spikes as they are, or only reshapes them.
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
TRANSPARENT = (nn.Flatten, nn.Identity, *DROPOUTS)


@dataclass(frozen=True)
class LayerReport:
    """What became of one module: `outcome` is ``converted``, ``folded``, ``baked``, ``analog`` or ``refused``.

    ``baked`` is a weight that other code computed at each call (weight norm, pruning), and that is a parameter now.
    """

    name: str
    outcome: str
    detail: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.name:<28} {self.outcome:<10} {self.detail}"


def convertible_layers(network: nn.Module) -> dict[str, ConvertibleLayer]:
    """The convertible layers by name, in the order in which the network registers them."""
    return {name: module for name, module in network.named_modules() if isinstance(module, ConvertibleLayer)}


def check_own_parameters(network: nn.Module) -> None:
    """Refuse weights or biases that two modules share where a conversion would write to them.

    Folding a batch norm scales the operator's weights in place: the other module would change without a word.

    Raises:
        ValueError: naming the layer and the other module.
    """
    # Of each parameter: the names under which different modules have it. A module that is called twice has it once, and
    # so has a layer that stands in two places, but an operator that two layers share has it twice.
    owners: dict[int, dict[tuple[int, int], str]] = {}
    for name, module in network.named_modules(remove_duplicate=False):
        parent = network.get_submodule(name.rpartition(".")[0])
        for key, parameter in module._parameters.items():
            if parameter is not None:
                names = owners.setdefault(id(parameter), {})
                names.setdefault((id(parent), id(module)), f"{name}.{key}" if name else key)
    for name, layer in convertible_layers(network).items():
        if layer.norm is None or layer.is_converted:
            continue
        for parameter in layer.operator.parameters():
            names = list(owners[id(parameter)].values())
            if len(names) > 1:
                raise ValueError(
                    f"{names[0]} and {names[1]} are one parameter, and folding the batch norm of layer {name!r} "
                    "would change both: give each module a parameter of its own (copy.deepcopy) before the conversion"
                )


@contextmanager
def modes_restored(network: nn.Module) -> Iterator[None]:
    """Give every module the mode back, train or eval, that it had before the block."""
    modes = {module: module.training for module in network.modules()}
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients inside; every module's own mode is restored after."""
    with modes_restored(network), torch.no_grad():
        network.eval()
        yield


@contextmanager
def execution_order(network: nn.Module) -> Iterator[list[str]]:
    """Record, while the block runs the network, the names of modules with parameters, or convertible, as they run."""
    order: list[str] = []
    layers = convertible_layers(network)
    inner = {f"{name}.{child}" for name, layer in layers.items() for child, _ in layer.named_modules() if child}

    def record(name: str):
        def hook(*_: object) -> None:
            if name not in order:
                order.append(name)

        return hook

    handles = [
        module.register_forward_pre_hook(record(name))
        for name, module in network.named_modules()
        if name not in inner and (name in layers or any(True for _ in module.parameters(recurse=False)))
    ]
    try:
        yield order
    finally:
        for handle in handles:
            handle.remove()


def keep_synapses(network: nn.Module) -> None:
    """Have every converted layer quantise, scale and pack its weights once instead of at each call.

    For a network that is used and not trained. A layer forgets what it kept when it is put in training mode, loads a
    state or is converted; weights that are written to in another way are not noticed.
    """
    for layer in convertible_layers(network).values():
        layer.kept = Kept()

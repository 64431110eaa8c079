"""Weights that other code computes at each call: weight norm, spectral norm, pruning.

A conversion writes to an operator's weights, and spiking neurons read them without calling the operator, so a computed
weight is made a plain parameter when its layer is converted: with the value that it has in eval mode, for good.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils import prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.spectral_norm import SpectralNorm, SpectralNormLoadStateDictPreHook
from torch.nn.utils.weight_norm import WeightNorm

PRUNED = "pruning"


def computed_tensors(operator: nn.Module) -> dict[str, str]:
    """What computes the weight or bias of an operator, by the name of the tensor; empty where both are parameters."""
    found = {}
    if is_parametrized(operator):
        for name, steps in operator.parametrizations.items():  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
            found[name] = " and ".join(type(step).__name__.strip("_") for step in steps)
    for hook in operator._forward_pre_hooks.values():
        if isinstance(hook, (WeightNorm, SpectralNorm)):
            found[hook.name] = type(hook).__name__
        elif isinstance(hook, prune.BasePruningMethod):
            found[hook._tensor_name] = PRUNED
    for name in ("weight", "bias"):
        if name not in operator._parameters:
            found.setdefault(name, "other code")
    return found


def check_computed(operator: nn.Module, folded: bool) -> None:
    """Refuse computed weights that `make_plain` cannot make parameters of, or that a live batch norm would not see.

    Args:
        operator: of the layer.
        folded: whether the conversion folds the batch norm; else the weights stay what they are, and only those of
            torch's parametrizations are computed wherever they are read.

    Raises:
        ValueError: naming the tensor and what to do.
    """
    for name, what in computed_tensors(operator).items():
        if what == "other code":
            raise ValueError(
                f"a {name} that is no parameter found, computed by code that is not torch's: assign "
                f"operator.{name} = nn.Parameter(...) before the conversion"
            )
        if not folded and not is_parametrized(operator, name):
            raise ValueError(
                f"a {name} computed by {what} found in a layer whose batch norm stays live: make it a parameter first "
                "(torch.nn.utils.remove_weight_norm, remove_spectral_norm, prune.remove)"
            )


@torch.no_grad()
def make_plain(operator: nn.Module) -> dict[str, str]:
    """Make every computed tensor of `operator` a parameter, in place, and return what computed each.

    Raises:
        ValueError: as `check_computed`.
    """
    check_computed(operator, folded=True)
    found = computed_tensors(operator)
    if not found:
        return found
    trained = any(parameter.requires_grad for parameter in operator.parameters())
    mode = operator.training
    operator.eval()  # spectral norm changes with each reading in training
    values = {name: getattr(operator, name).detach().clone() for name in found if is_parametrized(operator, name)}
    if values:
        # As torch's remove_parametrizations, which also deletes the property from the class, and so breaks the copies
        # of this module that share the class.
        del operator._modules["parametrizations"]
        operator.__class__ = type(operator).__bases__[0]
        for name in values:
            operator.register_parameter(name, nn.Parameter(values[name]))
    for name in found.keys() - values.keys():
        REMOVE[found[name]](operator, name)
    for name in found:
        operator.get_parameter(name).requires_grad_(trained)
    operator.train(mode)
    return found


def _remove_spectral_norm(operator: nn.Module, name: str) -> nn.Module:
    remove_spectral_norm(operator, name)
    # Of torch 2 on, this one stays behind and asks every state for the tensors that are gone.
    for key, hook in list(operator._load_state_dict_pre_hooks.items()):
        if isinstance(getattr(hook, "hook", hook), SpectralNormLoadStateDictPreHook):
            del operator._load_state_dict_pre_hooks[key]
    return operator


REMOVE: dict[str, Callable[[nn.Module, str], nn.Module]] = {
    WeightNorm.__name__: remove_weight_norm,
    SpectralNorm.__name__: _remove_spectral_norm,
    PRUNED: prune.remove,
}

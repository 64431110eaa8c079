"""The chains of modules that `nn.Sequential` makes, and the runs in them that can spike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn

from spiking_tasnet.snn.fold import BATCH_NORMS
from spiking_tasnet.snn.operators import OPERATORS


class Link(NamedTuple):
    """A module where it stands.

    Attributes:
        name: in the network; by position, so a module that stands in two places has two names.
        container: the `nn.Sequential` that holds it.
        key: of the module in the container.
        module: itself.
    """

    name: str
    container: nn.Sequential
    key: str
    module: nn.Module


class Run(NamedTuple):
    """Modules that one convertible layer replaces: operator, batch norm or None, ReLU."""

    operator: Link
    norm: Link | None
    relu: Link


def is_sequence(module: nn.Module) -> bool:
    """Whether a module runs its children one after the other: an `nn.Sequential` without a forward of its own."""
    if not isinstance(module, nn.Sequential) or "forward" in vars(module):
        return False
    return type(module).forward is nn.Sequential.forward


def links_of(sequence: nn.Module, name: str = "") -> Iterator[Link]:
    """The chain of a sequence, in order; sequences in it are laid out, twice where they stand in two places."""
    for key, module in sequence._modules.items():
        inner = f"{name}.{key}" if name else key
        if module is not None and is_sequence(module) and len(module._modules):
            yield from links_of(module, inner)
        elif module is not None:
            assert isinstance(sequence, nn.Sequential)
            yield Link(inner, sequence, key, module)


def run_at(links: list[Link], place: int) -> Run | None:
    """The run that begins with the operator at `place`, all in one container; None if there is none."""
    operator = links[place]
    behind = [link for link in links[place + 1 : place + 3] if link.container is operator.container]
    norm = behind[0] if behind and isinstance(behind[0].module, BATCH_NORMS) else None
    relu = behind[int(norm is not None) :][:1]
    if not isinstance(operator.module, OPERATORS) or not relu or not isinstance(relu[0].module, nn.ReLU):
        return None
    return Run(operator, norm, relu[0])

"""What each layer of a network will be given once the layers below it spike, found out without converting anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from spiking_tasnet.snn.compose import convertible_layers
from spiking_tasnet.snn.layers import ConvertibleLayer
from spiking_tasnet.snn.operators import channel_axis
from spiking_tasnet.snn.spikes import Spikes

Bypass = Callable[[ConvertibleLayer, Tensor | Spikes], Tensor | Spikes]


class FromSpikes(Tensor):
    """A tensor that was computed from spikes; torch makes every tensor that is computed from it one too."""


class Rehearsal:
    """What happened while `rehearsed` ran a network.

    Attributes:
        given: for each layer that ran, what it was given: ``tensor``, ``spikes``, or ``counts``, a tensor that was
            computed from spikes.
        between: for each layer that was given counts, what computed them, as ``AvgPool1d '2'``; empty where it was
            code in a forward.
    """

    def __init__(self) -> None:
        self.given: dict[str, set[str]] = {}
        self.between: dict[str, list[str]] = {}
        self._since: list[str] = []  # modules that read counts since a layer fired last

    def check(self) -> None:
        """Refuse a network that spikes cannot cross.

        Raises:
            ValueError: naming the first layer that would not be given spikes, and what lies before it.
        """
        for name, kinds in self.given.items():
            if "counts" in kinds:
                found = ", ".join(self.between[name]) or "something between (pooling, an activation, arithmetic)"
                raise ValueError(
                    f"layer {name!r} is given a tensor though layers below it spike: {found} reads counts; replace it "
                    "by a strided convolution or a convertible layer, or convert only what lies before it"
                )
            if len(kinds) > 1:
                raise ValueError(
                    f"layer {name!r} is given a tensor at one call and spikes at another: it cannot both encode and be "
                    "driven by spikes; give each call a layer of its own (copy.deepcopy)"
                )

    def play(self, name: str, inner: Bypass | None) -> Bypass:
        """What the layer called `name` does in the rehearsal: its own computation, handed on as spikes."""

        def bypass(layer: ConvertibleLayer, x: Tensor | Spikes) -> Tensor | Spikes:
            kind = "spikes" if isinstance(x, Spikes) else "counts" if isinstance(x, FromSpikes) else "tensor"
            self.given.setdefault(name, set()).add(kind)
            if kind == "counts":
                self.between.setdefault(name, list(self._since))
            self._since.clear()
            if not layer.is_converted and isinstance(x, Spikes):
                x = x.value
            if isinstance(x, FromSpikes):
                x = x.as_subclass(Tensor)
            fired = layer.run_role(x) if inner is None else inner(layer, x)
            if isinstance(fired, Spikes):
                value = fired.value.as_subclass(FromSpikes)
                return Spikes(value, fired.code, fired.threshold, fired.num_steps, fired.axis)
            value = fired.as_subclass(FromSpikes)
            if layer.readout:
                return value
            code = torch.zeros(fired.shape, dtype=torch.int32, device=fired.device)
            return Spikes(value, code, torch.ones_like(layer.threshold[:1]), 1, channel_axis(layer.operator))

        return bypass

    def watch(self, name: str) -> Callable[[nn.Module, tuple, object], None]:
        """A forward hook that notes a module whose output was computed from spikes."""

        def hook(module: nn.Module, _: tuple, output: object) -> None:
            outputs = output if isinstance(output, (tuple, list)) else (output,)
            if any(isinstance(value, FromSpikes) for value in outputs):
                self._since.append(f"{type(module).__name__} {name!r}")

        return hook


@contextmanager
def rehearsed(network: nn.Module) -> Iterator[Rehearsal]:
    """While the block runs `network`, see what each convertible layer would be given if those below it spiked.

    Analog layers compute what they always do and hand the result on as `Spikes` of that value, so what lies between
    them meets what it will meet once they are converted. No weight is read otherwise or written to.
    """
    rehearsal, layers = Rehearsal(), convertible_layers(network)
    inside = {id(module) for layer in layers.values() for module in layer.modules()}
    leaves = {
        name: module
        for name, module in network.named_modules()
        if id(module) not in inside and not any(True for _ in module.children())
    }
    bypasses = [(layer, layer.bypass) for layer in layers.values()]
    handles = [module.register_forward_hook(rehearsal.watch(name)) for name, module in leaves.items()]
    for name, layer in layers.items():
        layer.bypass = rehearsal.play(name, layer.bypass)
    try:
        yield rehearsal
    finally:
        for handle in handles:
            handle.remove()
        for layer, bypass in bypasses:
            layer.bypass = bypass

"""`Spikes`: what flows between spiking layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from spiking_tasnet.snn.kernels import count_spikes
from spiking_tasnet.snn.words import is_packed, unpack_step

_DROPOUTS = {F.dropout, F.dropout1d, F.dropout2d, F.alpha_dropout, torch.dropout, torch.feature_dropout}


class Spikes:
    """Spike trains of a layer, their counts, and the threshold, which is the amplitude of a spike.

    A torch function given `Spikes` reads `value`, so an analog layer on top of a spiking one needs no adapter.
    Flattening and reshaping keep the spikes; dropout leaves them as they are.

    Attributes:
        value: theta x count in the ANN's activation units, (batch, chan, ...); carries the gradient, where there is
            one. If None, it is computed on first access: between spiking layers nobody reads it.
        code: int32 words, one per neuron, where `num_steps` <= 32; else, or where a gradient goes through every spike,
            a dense train (num_steps, batch, chan, ...), bool or float.
        threshold: theta, (1,) or one per channel, (chan,), in activation units.
        num_steps: N_s.
        packed: whether `code` holds words.
        shape: of the neurons, (batch, chan, ...).

    Raises:
        ValueError: `code` and `value` do not describe the same neurons.
    """

    def __init__(self, value: Tensor | None, code: Tensor, threshold: Tensor, num_steps: int):
        self.packed = is_packed(code, num_steps)
        self.shape = code.shape if self.packed else code.shape[1:]
        neurons = self.shape if value is None else value.shape
        expected = tuple(neurons) if self.packed else (num_steps, *neurons)
        if tuple(code.shape) != expected:
            raise ValueError(f"spike code of shape {tuple(code.shape)} found, {expected} expected")
        self._value, self.code, self.threshold, self.num_steps = value, code, threshold, num_steps

    @property
    def value(self) -> Tensor:
        """Theta x count, (batch, chan, ...), in activation units."""
        if self._value is None:
            scale = self.threshold
            if scale.numel() > 1:
                scale = scale.view(-1, *(1,) * (self.dim() - 2))
            self._value = self.counts * scale
        return self._value

    @property
    def device(self) -> torch.device:
        """Device of the spikes."""
        return self.code.device

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient flows through the spikes."""
        return self._value is not None and self._value.requires_grad

    @property
    def counts(self) -> Tensor:
        """Spike counts, int32, (batch, chan, ...) (Eq. 6)."""
        return count_spikes(self.code) if self.packed else self.code.sum(0).to(torch.int32)

    def step(self, step: int) -> Tensor:
        """The 0/1 spikes at `step` (from 0), in the dtype of `threshold`."""
        if self.packed:
            return unpack_step(self.code, step, self.threshold.dtype)
        return self.code[step].to(self.threshold.dtype)

    @property
    def train(self) -> Tensor:
        """The dense train, (num_steps, batch, chan, ...), in the dtype of `threshold`."""
        if not self.packed:
            return self.code.to(self.threshold.dtype)
        return torch.stack([self.step(step) for step in range(self.num_steps)])

    def dim(self) -> int:
        """Number of dimensions of the neurons."""
        return len(self.shape)

    def size(self, dim: int | None = None) -> Any:
        """Size as of a tensor of the neurons."""
        return self.shape if dim is None else self.shape[dim]

    def reshape(self, *shape: int) -> Spikes:
        """The same spikes in another shape; refused where channels with thresholds of their own would be mixed."""
        shape = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
        if self.packed:
            code = self.code.reshape(shape)
        else:
            shape = torch.empty(self.shape, device="meta").reshape(shape).shape  # replaces a -1
            code = self.code.reshape(self.num_steps, *shape)
        neurons = code.shape if self.packed else code.shape[1:]
        threshold = self.threshold
        if threshold.numel() > 1 and neurons[:2] != self.shape[:2]:
            threshold = threshold.view(-1, *(1,) * (self.dim() - 2)).expand(self.shape[1:])
            if neurons[1:] != (threshold.numel(),):
                raise ValueError(
                    f"cannot reshape {tuple(self.shape)} to {tuple(neurons)}: channels have own thresholds; "
                    "flatten to (batch, features) or use layer-wise thresholds"
                )
            threshold = threshold.reshape(-1)
        value = None if self._value is None else self._value.reshape(neurons)
        return Spikes(value, code, threshold, self.num_steps)

    view = reshape

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Spikes:
        """As `Tensor.flatten`; `nn.Flatten` calls it."""
        start, end = start_dim % self.dim(), end_dim % self.dim()
        return self.reshape(*self.shape[:start], self.shape[start : end + 1].numel(), *self.shape[end + 1 :])

    def __repr__(self) -> str:
        """Shape, steps and mean count."""
        mean = self.counts.double().mean().item() if self.code.numel() else 0.0
        return f"Spikes({tuple(self.shape)}, num_steps={self.num_steps}, {mean:.2f} spikes per neuron)"

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Give torch functions theta x count; dropout returns the spikes untouched."""
        if func in _DROPOUTS:
            return args[0]
        if func is torch.flatten:
            return args[0].flatten(*args[1:], **(kwargs or {}))
        if func is torch.reshape:
            return args[0].reshape(*args[1:])
        return func(*_values(args), **_values(kwargs or {}))


def _values(tree: Any) -> Any:
    if isinstance(tree, Spikes):
        return tree.value
    if isinstance(tree, (tuple, list)):
        return type(tree)(_values(item) for item in tree)
    if isinstance(tree, dict):
        return {key: _values(item) for key, item in tree.items()}
    return tree

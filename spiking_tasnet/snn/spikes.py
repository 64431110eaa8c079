"""`Spikes`: what flows between spiking layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

MAX_PACKED_STEPS = 32
_DROPOUTS = {F.dropout, F.dropout1d, F.dropout2d, F.alpha_dropout, torch.dropout, torch.feature_dropout}


def pack(train: Tensor) -> Tensor:
    """Pack a train of 0/1, (num_steps, ...) with at most 32 steps, into int32 words, (...): bit t is step t + 1."""
    words = torch.zeros(train.shape[1:], dtype=torch.int32, device=train.device)
    for step, spikes in enumerate(train):
        words |= spikes.to(torch.int32) << step
    return words


def unpack_step(words: Tensor, step: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The 0/1 spikes of one step, shaped like `words`."""
    return ((words >> step) & 1).to(dtype)


def count_bits(words: Tensor) -> Tensor:
    """Number of spikes in each int32 word, int32 (Eq. 6 by popcount)."""
    bits = words - ((words >> 1) & 0x55555555)
    bits = (bits & 0x33333333) + ((bits >> 2) & 0x33333333)
    bits = (bits + (bits >> 4)) & 0x0F0F0F0F
    bits = bits + (bits >> 8)
    return (bits + (bits >> 16)) & 0x3F


def spike_counts(code: Tensor, num_steps: int) -> Tensor:
    """Counts of the spikes that `code` holds, int32: words for at most 32 steps, else a train (num_steps, ...)."""
    return count_bits(code) if num_steps <= MAX_PACKED_STEPS else code.sum(0, dtype=torch.int32)


class Spikes:
    """Spike trains of a layer, their counts and the threshold that gives them their worth.

    A torch function given `Spikes` reads `value`, so an analog layer on top of a spiking one needs no adapter
    (DESIGN section 4). Flattening and reshaping keep the spikes; dropout leaves them as they are.

    Attributes:
        value: theta x count in the ANN's activation units, (batch, chan, ...); carries the tandem gradient.
        code: int32 words shaped like `value` when `num_steps` <= 32, else a dense bool train (num_steps, batch, ...).
        threshold: theta, (1,) or one a channel, (chan,), in activation units.
        num_steps: N_s.
    """

    def __init__(self, value: Tensor, code: Tensor, threshold: Tensor, num_steps: int):
        """See the class; `code` and `value` must describe the same neurons."""
        packed = num_steps <= MAX_PACKED_STEPS
        expected = value.shape if packed else (num_steps, *value.shape)
        if tuple(code.shape) != tuple(expected):
            raise ValueError(f"spike code of shape {tuple(code.shape)} found, {tuple(expected)} expected")
        self.value, self.code, self.threshold, self.num_steps = value, code, threshold, num_steps

    @property
    def packed(self) -> bool:
        """Whether `code` holds one 32-bit word a neuron."""
        return self.num_steps <= MAX_PACKED_STEPS

    @property
    def shape(self) -> torch.Size:
        """Shape of the neurons, (batch, chan, ...)."""
        return self.value.shape

    @property
    def device(self) -> torch.device:
        """Device of the spikes."""
        return self.value.device

    @property
    def counts(self) -> Tensor:
        """Spike counts, int32, (batch, chan, ...) (Eq. 6)."""
        return spike_counts(self.code, self.num_steps)

    def step(self, step: int) -> Tensor:
        """The 0/1 spikes at `step` (from 0), in the dtype of `value`."""
        if self.packed:
            return unpack_step(self.code, step, self.value.dtype)
        return self.code[step].to(self.value.dtype)

    @property
    def train(self) -> Tensor:
        """The dense train, (num_steps, batch, chan, ...), in the dtype of `value`."""
        return torch.stack([self.step(step) for step in range(self.num_steps)])

    def dim(self) -> int:
        """Number of dimensions of the neurons."""
        return self.value.dim()

    def size(self, dim: int | None = None) -> Any:
        """Size as of a tensor of the neurons."""
        return self.value.size() if dim is None else self.value.size(dim)

    def reshape(self, *shape: int) -> Spikes:
        """The same spikes in another shape; refused where channels with thresholds of their own would be mixed."""
        shape = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
        value = self.value.reshape(shape)
        if self.threshold.numel() > 1 and value.shape[:2] != self.value.shape[:2]:
            threshold = self.threshold.view(-1, *(1,) * (self.dim() - 2)).expand(self.shape[1:])
            if value.shape[1:] != (threshold.numel(),):
                raise ValueError(
                    f"cannot reshape {tuple(self.shape)} to {tuple(value.shape)}: channels have own thresholds; "
                    "flatten to (batch, features) or use layer-wise thresholds"
                )
            threshold = threshold.reshape(-1)
        else:
            threshold = self.threshold
        code = self.code.reshape(value.shape if self.packed else (self.num_steps, *value.shape))
        return Spikes(value, code, threshold, self.num_steps)

    view = reshape

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Spikes:
        """As `Tensor.flatten`; `nn.Flatten` calls it."""
        start, end = start_dim % self.dim(), end_dim % self.dim()
        return self.reshape(*self.shape[:start], self.shape[start : end + 1].numel(), *self.shape[end + 1 :])

    def __repr__(self) -> str:
        """Shape, steps and mean count."""
        mean = self.counts.double().mean().item() if self.value.numel() else 0.0
        return f"Spikes({tuple(self.shape)}, num_steps={self.num_steps}, {mean:.2f} spikes a neuron)"

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

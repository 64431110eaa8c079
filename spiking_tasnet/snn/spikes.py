"""`Spikes`: what flows between spiking layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from spiking_tasnet.snn.kernels import count_spikes
from spiking_tasnet.snn.words import is_packed, unpack_step

# Counts are >= 0, so a ReLU changes nothing; a spike train is no place for dropout.
_UNCHANGED = {
    *(F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout),
    *(torch.dropout, torch.feature_dropout, torch.alpha_dropout, F.relu, torch.relu),
}
# Functions of torch that a method of the same name does for `Spikes`.
_RESHAPING = {
    torch.flatten: "flatten",
    torch.reshape: "reshape",
    torch.permute: "permute",
    torch.transpose: "transpose",
}


class Spikes:
    """Spike trains of a layer, their counts, and the threshold, which is the amplitude of a spike.

    `Spikes` read like the tensor `value`: torch functions, operators, indexing and whatever else a tensor has, such as
    ``x.mean(-1)`` or ``x.dtype``, are given the value, so an analog head on top of a spiking layer needs no adapter.
    Flattening, reshaping and swapping axes keep the spikes; dropout and ReLU leave them as they are. Nothing changes
    them in place.

    Attributes:
        value: theta x count in the ANN's activation units, (batch, chan, ...); carries the gradient, where there is
            one. If None, it is computed on first access: between spiking layers nobody reads it.
        code: int32 words, one per neuron, where `num_steps` <= 32; else, or where a gradient goes through every spike,
            a dense train (num_steps, batch, chan, ...), bool or float.
        threshold: theta, (1,) or one per channel, (chan,), in activation units.
        num_steps: N_s.
        axis: of `shape` along which the thresholds lie: 1 behind a convolution, the last one behind a Linear.
        packed: whether `code` holds words.
        shape: of the neurons, (batch, chan, ...).

    Raises:
        ValueError: `code` and `value` do not describe the same neurons.
        TypeError: (on use) an operation in place.
        AttributeError: (on use) a name that tensors do not have either.
    """

    def __init__(self, value: Tensor | None, code: Tensor, threshold: Tensor, num_steps: int, axis: int = 1):
        self.packed = is_packed(code, num_steps)
        self.shape = code.shape if self.packed else code.shape[1:]
        neurons = self.shape if value is None else value.shape
        expected = tuple(neurons) if self.packed else (num_steps, *neurons)
        if tuple(code.shape) != expected:
            raise ValueError(f"spike code of shape {tuple(code.shape)} found, {expected} expected")
        self._value, self.code, self.threshold, self.num_steps = value, code, threshold, num_steps
        self.axis = axis % len(self.shape) if len(self.shape) else 0

    @property
    def value(self) -> Tensor:
        """Theta x count, (batch, chan, ...), in activation units."""
        if self._value is None:
            self._value = self.counts * self._broadcast
        return self._value

    @property
    def _broadcast(self) -> Tensor:
        """The threshold, so that it broadcasts over the neurons."""
        if self.threshold.numel() == 1:
            return self.threshold
        return self.threshold.view(-1, *(1,) * (self.dim() - 1 - self.axis))

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
        """The same spikes in another shape.

        Thresholds of channels go with their axis; where it is flattened to (batch, features), each feature gets its
        own.

        Raises:
            ValueError: a shape in which neurons of one place would have thresholds of different channels.
        """
        shape = _given(shape)
        if self.packed:
            code = self.code.reshape(shape)
        else:
            shape = torch.empty(self.shape, device="meta").reshape(shape).shape  # replaces a -1
            code = self.code.reshape(self.num_steps, *shape)
        neurons = code.shape if self.packed else code.shape[1:]
        threshold, axis = self._in_shape(neurons)
        value = None if self._value is None else self._value.reshape(neurons)
        return Spikes(value, code, threshold, self.num_steps, axis)

    def _in_shape(self, neurons: torch.Size) -> tuple[Tensor, int]:
        """Thresholds and their axis once the spikes have the shape `neurons`."""
        if self.threshold.numel() == 1:
            return self.threshold, min(self.axis, len(neurons) - 1)
        before, size = self.shape[: self.axis].numel(), self.shape[self.axis]
        for axis, length in enumerate(neurons):  # the channels still lie along one axis
            if length == size and neurons[:axis].numel() == before:
                return self.threshold, axis
        if self.axis == 0 or neurons != (self.shape[0], self.shape[1:].numel()):
            raise ValueError(
                f"cannot reshape {tuple(self.shape)} to {tuple(neurons)}: channels have own thresholds; "
                "flatten to (batch, features) or use layer-wise thresholds"
            )
        return self._broadcast.expand(self.shape[1:]).reshape(-1), 1

    def permute(self, *dims: int) -> Spikes:
        """The same spikes with their axes in another order, as `Tensor.permute`."""
        order = [dim % self.dim() for dim in _given(dims)]
        code = self.code.permute(order if self.packed else [0, *(1 + dim for dim in order)])
        value = None if self._value is None else self._value.permute(order)
        return Spikes(value, code, self.threshold, self.num_steps, order.index(self.axis))

    def transpose(self, dim0: int, dim1: int) -> Spikes:
        """The same spikes with two axes swapped, as `Tensor.transpose`."""
        order = list(range(self.dim()))
        order[dim0], order[dim1] = order[dim1], order[dim0]
        return self.permute(*order)

    def contiguous(self) -> Spikes:
        """The spikes themselves: kernels take any layout."""
        return self

    def relu(self) -> Spikes:
        """The spikes themselves: counts are >= 0."""
        return self

    view = reshape

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Spikes:
        """As `Tensor.flatten`; `nn.Flatten` calls it."""
        start, end = start_dim % self.dim(), end_dim % self.dim()
        return self.reshape(*self.shape[:start], self.shape[start : end + 1].numel(), *self.shape[end + 1 :])

    def __repr__(self) -> str:
        """Shape, steps and mean count."""
        mean = self.counts.double().mean().item() if self.code.numel() else 0.0
        return f"Spikes({tuple(self.shape)}, num_steps={self.num_steps}, {mean:.2f} spikes per neuron)"

    def __getattr__(self, name: str) -> Any:
        """What a tensor has and `Spikes` have not is that of `value`."""
        if name.startswith("_") or not hasattr(Tensor, name):
            raise AttributeError(f"'Spikes' object has no attribute {name!r}, and a tensor has none either")
        _refuse_in_place(name)
        return getattr(self.value, name)

    def __getitem__(self, index: Any) -> Tensor:
        """A part of `value`."""
        return self.value[index]

    def __len__(self) -> int:
        """Items of the batch."""
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        """The value of each item of the batch."""
        return iter(self.value)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        """`value` for NumPy."""
        return self.value.__array__(*args, **kwargs)

    def __format__(self, format_spec: str) -> str:
        """As a tensor: a format other than the empty one is for a single value."""
        return format(self.value, format_spec) if format_spec else str(self)

    __hash__ = object.__hash__  # `__eq__` compares values, as that of a tensor

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Give torch functions theta x count; dropout and ReLU return the spikes untouched."""
        kwargs = dict(kwargs or {})
        spikes = args[0] if args else kwargs.get("input")
        if isinstance(spikes, Spikes):
            if func in _UNCHANGED:
                return spikes
            if func in _RESHAPING:
                kwargs.pop("input", None)
                sizes = [kwargs.pop(name) for name in ("shape", "dims") if name in kwargs]
                return getattr(spikes, _RESHAPING[func])(*args[1:], *sizes, **kwargs)
            _refuse_in_place(getattr(func, "__name__", ""))
        if "inplace" in kwargs:  # of a module such as nn.Hardtanh, whose result is the same
            kwargs["inplace"] = False
        return func(*_values(args), **_values(kwargs))


def _operator(name: str) -> Any:
    def apply(self: Spikes, *others: Any) -> Any:
        return getattr(self.value, name)(*_values(others))

    apply.__name__, apply.__doc__ = name, "As of the tensor `value`."
    return apply


# Python looks operators up in the class, past `__getattr__`. Those in place are left out: x += y makes a tensor.
_UNARY = "abs neg pos invert bool int float complex index eq ne lt le gt ge"
_BINARY = "add sub mul truediv floordiv mod pow matmul and or xor"
for _name in (*_UNARY.split(), *_BINARY.split(), *(f"r{name}" for name in _BINARY.split())):
    if hasattr(Tensor, f"__{_name}__"):
        setattr(Spikes, f"__{_name}__", _operator(f"__{_name}__"))


def _refuse_in_place(name: str) -> None:
    if name.endswith("_") and not name.endswith("__"):
        raise TypeError(f"{name} on Spikes found, which would change them in place; write y = x.{name[:-1]}(...)")


def _given(sizes: tuple) -> tuple[int, ...]:
    """Sizes or axes given one by one, or as one sequence."""
    return tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes


def _values(tree: Any) -> Any:
    if isinstance(tree, Spikes):
        return tree.value
    if isinstance(tree, (tuple, list)):
        values = [_values(item) for item in tree]
        return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)
    if isinstance(tree, dict):
        return {key: _values(item) for key, item in tree.items()}
    return tree

"""Hardware constraints on the weights that spiking neurons share (section 4.3): few bits, few inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from spiking_tasnet.snn.numbers import check_finite
from spiking_tasnet.snn.settings import Constraints


def quantise(values: Tensor, constraints: Constraints) -> tuple[Tensor, Tensor]:
    """Integers and scale with values = integers x scale, rounded to nearest (Eq. 8 for signed values).

    Args:
        values: weights (out, in, ...), or biases (out,), which always share one scale.
        constraints: `weight_bits` >= 2.

    Returns:
        int8 integers shaped like `values`, and the scale > 0: (1,), or (out, 1, ...) if per channel.

    Raises:
        NumberError: NaN or infinite values, which no integer stands for.
    """
    values = values.detach()
    per_channel = constraints.per_channel and values.dim() > 1
    extent = values.abs().amax(tuple(range(1, values.dim())), keepdim=True) if per_channel else values.abs().amax()
    check_finite(extent, "the weights")
    scale = (extent if per_channel else extent.reshape(1)) / constraints.levels
    scale = scale.where(scale > 0, torch.ones_like(scale))  # all zero: any scale will do
    return (values / scale).round().clamp(-constraints.levels, constraints.levels).to(torch.int8), scale


def quantised(values: Tensor, constraints: Constraints) -> Tensor:
    """The values of the integers that `quantise` finds; the gradient goes straight to the full-precision copy."""
    integers, scale = quantise(values, constraints)
    return values + (integers * scale - values.detach())


def limit_fan_in(weight: Tensor, fan_in: int) -> Tensor:
    """Keep the `fan_in` largest weights of each output neuron, by magnitude; the others become zero.

    Args:
        weight: (out, in / groups, *kernel).
        fan_in: F >= 1.
    """
    rows = weight.flatten(1)
    if fan_in >= rows.shape[1]:
        return weight.clone()
    kept = rows.abs().topk(fan_in, dim=1).indices
    return torch.zeros_like(rows).scatter(1, kept, rows.gather(1, kept)).view_as(weight)


def most_inputs(weight: Tensor) -> int:
    """The largest number of inputs, those of weights that are not zero, that an output neuron has."""
    return int((weight.flatten(1) != 0).sum(1).max())


def constrained(weight: Tensor, bias: Tensor | None, constraints: Constraints) -> tuple[Tensor, Tensor | None]:
    """Weight and bias as both branches of a coupled layer see them; gradients go to the arguments.

    A synapse that was cut is exactly zero; it gets no gradient, so no optimiser grows it again.
    """
    if constraints.fan_in:
        weight = weight * (weight.detach() != 0)
    if constraints.weight_bits:
        weight = quantised(weight, constraints)
        bias = None if bias is None else quantised(bias, constraints)
    return weight, bias


def violations(weight: Tensor, bias: Tensor | None, constraints: Constraints) -> list[str]:
    """How a weight and bias break the constraints, one phrase a breach; none if they obey."""
    found = []
    if constraints.fan_in:
        most = most_inputs(weight)
        if most > constraints.fan_in:
            found.append(f"{most} inputs per neuron found, at most {constraints.fan_in} expected")
    if constraints.weight_bits:
        for what, values in (("weight", weight), ("bias", bias)):
            if values is None:
                continue
            integers, scale = quantise(values, constraints)
            error = (integers * scale - values).abs().max().item()
            if error > 1e-5 * scale.max().item():
                found.append(f"a {what} between the levels of {constraints.weight_bits} bits found")
    return found

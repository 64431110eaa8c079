"""What a converted layer computes with: one operator with effective weights, and its neurons."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from spiking_tasnet.snn.constraints import constrained, quantise
from spiking_tasnet.snn.fixed_point import check_range, fixed_point
from spiking_tasnet.snn.kernels import Neurons
from spiking_tasnet.snn.operators import Operator, apply_operator, scale_inputs, unscale_inputs
from spiking_tasnet.snn.settings import Constraints, SpikingSettings


class Branch(NamedTuple):
    """The analog branch of a layer, which its spiking branch shares weights and thresholds with.

    Attributes:
        operator: gives the geometry; its own weights are not read.
        weight: effective, (out, in / groups, *kernel).
        bias: effective, (out,), or None.
        threshold: theta of each channel, (out,), in activation units.
        amplitude: theta as `Spikes` carry it: (1,) where all channels share it, else (out,).
        rectify: whether a ReLU follows.
        clip_saturated: pass no tandem gradient where a count is saturated.
    """

    operator: Operator
    weight: Tensor
    bias: Tensor | None
    threshold: Tensor
    amplitude: Tensor
    rectify: bool = True
    clip_saturated: bool = False

    def activation(self, value: Tensor) -> Tensor:
        """W value + b, rectified where the layer is; value (batch, in, ...) in activation units."""
        before = apply_operator(self.operator, value, self.weight, self.bias)
        return torch.relu(before) if self.rectify else before


def constrained_weights(
    operator: Operator, constraints: Constraints, input_amplitude: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of `operator` as both branches see them under `constraints`.

    Args:
        operator: its weight and bias are the full-precision copies, to which the gradient goes.
        constraints: on them.
        input_amplitude: theta_{l-1}, (1,) or (in,); None where no spikes come in. It gets no gradient.
    """
    input_amplitude = None if input_amplitude is None else input_amplitude.detach()
    weight, bias = constrained(_held_weight(operator, input_amplitude), operator.bias, constraints)
    return unscale_inputs(operator, weight, input_amplitude), bias


def integer_weight(
    operator: Operator, constraints: Constraints, input_amplitude: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The integers that a layer of few bits holds, and what one of them stands for.

    Args:
        operator: of the layer.
        constraints: `weight_bits` >= 2.
        input_amplitude: theta_{l-1}, (1,) or (in,).

    Returns:
        int8 weight, and its scale, (1,) or (out, 1, ...); theta_{l-1} is part of it where each input has its own.
    """
    return quantise(_held_weight(operator, input_amplitude), constraints)


def integer_unit(scale: Tensor, input_amplitude: Tensor) -> Tensor:
    """Activation units of an incoming spike at an integer weight of 1, (1,) or (out,), float64.

    Args:
        scale: of `integer_weight`, which includes theta_{l-1} where each input has its own.
        input_amplitude: theta_{l-1}, (1,) or (in,).
    """
    return scale.flatten().double() * (input_amplitude.double() if input_amplitude.numel() == 1 else 1)


def neurons_behind(branch: Branch, settings: SpikingSettings, input_amplitude: Tensor) -> Neurons:
    """The neurons that `kernels.simulate` takes: integers where the weights have few bits.

    Args:
        branch: of the layer.
        settings: of the layer.
        input_amplitude: theta_{l-1}, (1,) or (in,).

    Raises:
        NumberError: integers that do not fit in 32 bits.
    """
    threshold, steps = branch.threshold, settings.num_steps
    how = settings.v_init, settings.firing == "phased"
    if settings.constraints.weight_bits:
        integers, scale = integer_weight(branch.operator, settings.constraints, input_amplitude)
        unit = integer_unit(scale, input_amplitude)
        grid = fixed_point(branch.bias, unit, threshold, steps)
        check_range(integers, *grid, steps)
        return Neurons(integers, *grid, *how)
    current = torch.zeros_like(threshold) if branch.bias is None else branch.bias / steps
    return Neurons(scale_inputs(branch.operator, branch.weight, input_amplitude), current, threshold, *how)


def _held_weight(operator: Operator, input_amplitude: Tensor | None) -> Tensor:
    """What few bits hold: the weight, times theta_{l-1} where every input has a threshold of its own."""
    if input_amplitude is None or input_amplitude.numel() == 1:
        return operator.weight
    return scale_inputs(operator, operator.weight, input_amplitude)

"""The simulation as the equations read: one application of the operator a step."""

from __future__ import annotations

from itertools import repeat

import torch
from torch import Tensor, nn

from spiking_tasnet.snn.kernels.geometry import FRACTION_BITS, start
from spiking_tasnet.snn.neuron import burst, encode_counts, fire, integrate_and_fire
from spiking_tasnet.snn.operators import apply_operator, per_channel
from spiking_tasnet.snn.spikes import MAX_PACKED_STEPS, Spikes, pack


def encode(
    operator: nn.Module, activation: Tensor, threshold: Tensor, num_steps: int, v_init: float, spread: bool
) -> Tensor:
    """Spikes of an encoding layer.

    Args:
        operator: gives the axis of the channels.
        activation: a, after the ReLU, (batch, chan, ...), or (batch, ..., features) of a Linear.
        threshold: theta, (chan,).
        num_steps: N_s.
        v_init: V[0] as a fraction of the threshold.
        spread: a / N_s enters at every step; otherwise all of a at the first, discharged one spike a step.

    Returns:
        The code of `Spikes`.
    """
    scale = per_channel(operator, threshold)
    if not spread:
        return burst(encode_counts(activation, scale, num_steps, v_init), num_steps)
    train, _ = integrate_and_fire(repeat(activation / num_steps, num_steps), scale, v_init)
    return pack(train) if num_steps <= MAX_PACKED_STEPS else train


def simulate(
    operator: nn.Module,
    spikes: Spikes,
    weight: Tensor,
    current: Tensor,
    threshold: Tensor,
    v_init: float,
    membrane: Tensor | None = None,
) -> Tensor:
    """Spikes of IF neurons behind `operator` (Eq. 3-6).

    z[t] = W s[t] + current, with the presynaptic thresholds already in W.

    Args:
        operator: gives the geometry; its own weights are not read.
        spikes: the presynaptic spikes, (batch, chan, ...).
        weight: theta_{l-1} W, shaped like the operator's; or int8, W in units of its least significant bit.
        current: b / N_s, (out,); with int8 weights int32, in units of LSB x theta_{l-1} / 2**FRACTION_BITS.
        threshold: theta_l, (out,), in the dtype and unit of `current`.
        v_init: V[0] as a fraction of the threshold, rounded to an integer with int8 weights.
        membrane: V[0] in place of v_init's, in the dtype and unit of `current` and shaped like the output; it is
            left at V after the last step, so that the next window goes on from there. Integer membranes have 32 bits:
            steps x 2**FRACTION_BITS x the sum of an output's weights of one sign must stay below 2**31.

    Returns:
        The code of `Spikes`: int32 words (batch, out, ...), or a bool train when N_s > 32.
    """

    def z(step: int) -> Tensor:
        if weight.dtype != torch.int8:
            return apply_operator(operator, spikes.step(step).to(weight.dtype), weight, current)
        sums = apply_operator(operator, spikes.step(step).double(), weight.double())  # float64 holds them exactly
        return (sums.to(torch.int32) << FRACTION_BITS) + per_channel(operator, current)

    train, v = [], per_channel(operator, start(threshold, v_init)) if membrane is None else membrane
    for step in range(spikes.num_steps):
        s, v = fire(v, z(step), per_channel(operator, threshold))
        train.append(s)
    if membrane is not None:
        membrane.copy_(v)
    return pack(torch.stack(train)) if spikes.packed else torch.stack(train)

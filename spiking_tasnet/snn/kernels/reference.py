"""The simulation as the equations read: one application of the operator per step."""

from __future__ import annotations

from itertools import chain, repeat

import torch
from torch import Tensor

from spiking_tasnet.snn.kernels.neurons import FRACTION_BITS, Neurons
from spiking_tasnet.snn.neuron import burst, encode_counts, fire, integrate_and_fire
from spiking_tasnet.snn.operators import Operator, apply_operator, per_channel
from spiking_tasnet.snn.settings import Encoding
from spiking_tasnet.snn.words import MAX_PACKED_STEPS, count_bits, is_packed, pack, unpack_step


def encode(
    operator: Operator, activation: Tensor, threshold: Tensor, num_steps: int, v_init: float, encoding: Encoding
) -> Tensor:
    """Spikes of an encoding layer (section 3.4).

    Args:
        operator: says which axis is that of the channels.
        activation: a, after the ReLU, (batch, chan, ...), or (batch, ..., features) of a Linear.
        threshold: theta, (chan,).
        num_steps: N_s.
        v_init: V[0] as a fraction of the threshold.
        encoding: ``burst``: all of a enters at the first step and is discharged one spike per step; ``spread``:
            a / N_s enters at every step.

    Returns:
        The code of `Spikes`.
    """
    scale = per_channel(operator, threshold)
    if encoding == "burst":
        return burst(encode_counts(activation, scale, num_steps, v_init), num_steps)
    train, _ = integrate_and_fire(repeat(activation / num_steps, num_steps), scale, v_init)
    return pack(train) if num_steps <= MAX_PACKED_STEPS else train


def simulate(
    operator: Operator, code: Tensor, num_steps: int, neurons: Neurons, membrane: Tensor | None = None
) -> Tensor:
    """Spikes of IF neurons behind `operator` (Eq. 3-6).

    Args:
        operator: gives the geometry; its own weights are not read.
        code: presynaptic spikes as `Spikes` hold them: int32 words (batch, chan, ...), or a dense train, (num_steps,
            batch, chan, ...).
        num_steps: N_s.
        neurons: weights, currents and thresholds.
        membrane: V[0] in place of that of `neurons`, in the dtype and unit of the current and shaped like the output.
            It is left at V after the last step, so that the next window can go on from there. Integer membranes have
            32 bits: steps x 2**FRACTION_BITS x the sum of an output's weights of one sign must stay below 2**31.

    Returns:
        The code of `Spikes`: int32 words (batch, out, ...), or a bool train where N_s > 32.
    """
    weight, packed = neurons.weight, is_packed(code, num_steps)
    current, threshold = (per_channel(operator, values) for values in (neurons.current, neurons.threshold))

    def entering(spikes: Tensor, steps: int) -> Tensor:
        """What a membrane is charged with in `steps` steps, in which its inputs fire `spikes`."""
        if weight.dtype != torch.int8:
            return apply_operator(operator, spikes.to(weight.dtype), weight, steps * neurons.current)
        # PyTorch has no fast convolution of integers, but float64 holds every integer up to 2**53, and sums of int8
        # stay far below: the result is the integer one.
        sums = apply_operator(operator, spikes.double(), weight.double())
        return (sums.to(torch.int32) << FRACTION_BITS) + steps * current

    train, v = [], per_channel(operator, neurons.start) if membrane is None else membrane
    if neurons.phased:  # all of it has entered before the first spike
        whole = entering(count_bits(code) if packed else code.sum(0), num_steps)
        currents = chain([whole], repeat(torch.zeros_like(whole), num_steps - 1))
    else:
        currents = (entering(unpack_step(code, step) if packed else code[step], 1) for step in range(num_steps))
    for current_of_step in currents:
        s, v = fire(v, current_of_step, threshold)
        train.append(s)
    if membrane is not None:
        membrane.copy_(v)
    return pack(torch.stack(train)) if packed else torch.stack(train)

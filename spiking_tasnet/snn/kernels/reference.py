"""The simulation as the equations read: one application of the operator a step."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from spiking_tasnet.snn.neuron import integrate_and_fire
from spiking_tasnet.snn.operators import apply_operator, per_channel
from spiking_tasnet.snn.spikes import Spikes, pack


def simulate(
    operator: nn.Module, spikes: Spikes, weight: Tensor, current: Tensor, threshold: Tensor, v_init: float
) -> Tensor:
    """Spikes of IF neurons behind `operator` (Eq. 3-6).

    z[t] = W s[t] + current, with the presynaptic thresholds already in W.

    Args:
        operator: gives the geometry; its own weights are not read.
        spikes: the presynaptic spikes, (batch, chan, ...).
        weight: theta_{l-1} W, shaped like the operator's.
        current: b / N_s, (out,).
        threshold: theta_l, (out,).
        v_init: V[0] as a fraction of the threshold.

    Returns:
        The code of `Spikes`: int32 words (batch, out, ...), or a bool train when N_s > 32.
    """

    def currents() -> Iterator[Tensor]:
        for step in range(spikes.num_steps):
            yield apply_operator(operator, spikes.step(step), weight, current)

    train, _ = integrate_and_fire(currents(), per_channel(operator, threshold), v_init)
    return pack(train) if spikes.packed else train.to(torch.bool)

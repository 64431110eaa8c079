"""The integrate-and-fire neuron (Eq. 4-6) and the encoding of analog values into spikes (section 3.4)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def fire(membrane_potential: Tensor, current: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
    """One step: integrate, fire at or above threshold, subtract the threshold.

    Eq. 4 subtracts at the start of the next step; subtracting at the end of this one is the same dynamics.

    Args:
        membrane_potential: state left by the step before, in activation units.
        current: z[t], same shape.
        threshold: theta > 0, broadcastable.

    Returns:
        The spikes s[t] (bool) and the membrane potential after the subtraction.
    """
    membrane_potential = membrane_potential + current
    spikes = membrane_potential >= threshold
    return spikes, membrane_potential - threshold * spikes


def integrate_and_fire(
    currents: Iterable[Tensor], threshold: Tensor, v_init: float | Tensor = 0.0
) -> tuple[Tensor, Tensor]:
    """Run IF neurons over a window of currents.

    Args:
        currents: z[t], one tensor (batch, ...) per step.
        threshold: theta, broadcastable to one step.
        v_init: V[0] as a fraction of the threshold, 0 in the paper; or V[0] itself, a tensor like a current.

    Returns:
        The train (num_steps, batch, ...) of bool, and the membrane potential left at the end (batch, ...).

    Raises:
        ValueError: no currents.
    """
    train, membrane_potential = [], None
    for current in currents:
        if membrane_potential is None:
            start = v_init if isinstance(v_init, Tensor) else v_init * threshold
            membrane_potential = torch.zeros_like(current) + start
        spikes, membrane_potential = fire(membrane_potential, current, threshold)
        train.append(spikes)
    if membrane_potential is None:
        raise ValueError("no currents found, those of at least one step expected")
    return torch.stack(train), membrane_potential


def encode_counts(activation: Tensor, threshold: Tensor, num_steps: int, v_init: float = 0.0) -> Tensor:
    """Spike counts of the encoding layer: c = min(N_s, floor(a / theta + v_init)) (section 3.4).

    The whole activation is injected at the first step and discharged one spike per step.

    Args:
        activation: a >= 0, (batch, chan, ...), in activation units.
        threshold: theta, broadcastable.
        num_steps: N_s.
        v_init: V[0] as a fraction of the threshold.

    Returns:
        int32 counts, shaped like `activation`.
    """
    return (activation / threshold + v_init).floor().clamp_(0, num_steps).to(torch.int32)


def burst(counts: Tensor, num_steps: int) -> Tensor:
    """Trains of `counts` spikes in consecutive steps from the first.

    Returns:
        int32 words shaped like `counts` when `num_steps` <= 32, else a bool train (num_steps, ...).
    """
    if num_steps > 32:
        steps = torch.arange(num_steps, device=counts.device).view(-1, *(1,) * counts.dim())
        return steps < counts
    words = [(1 << count) - 1 for count in range(num_steps + 1)]
    table = [word - (1 << 32) if word > 0x7FFFFFFF else word for word in words]
    return torch.tensor(table, dtype=torch.int32, device=counts.device)[counts]

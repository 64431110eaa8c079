"""Spikes that a gradient goes through in time: the rectangular window of time-based surrogate learning.

Wu, Deng, Li, Zhu and Shi (2018), "Spatio-temporal backpropagation", and Neftci, Mostafa and Zenke (2019), "Surrogate
gradient learning".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class _Rectangle(torch.autograd.Function):
    """Heaviside step forward, a rectangle of the width of one threshold around it backward."""

    @staticmethod
    def forward(ctx: Any, excess: Tensor, threshold: Tensor) -> Tensor:
        ctx.save_for_backward(excess, threshold)
        return (excess >= 0).to(excess.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None]:
        (grad,) = grad_outputs
        excess, threshold = ctx.saved_tensors
        return grad * (excess.abs() < threshold / 2) / threshold, None


def surrogate_fire(currents: Iterable[Tensor], threshold: Tensor, v_init: float = 0.0, decay: float = 1.0) -> Tensor:
    """Trains of IF (decay 1) or LIF neurons with soft reset, differentiable by the rectangular window.

    V[t] = decay (V[t-1] - theta s[t-1]) + z[t]. The window is one threshold wide and 1 / theta high, so the value
    theta x s has slope 1 inside it.

    Args:
        currents: z[t], one tensor (batch, ...) per step, in activation units.
        threshold: theta > 0, broadcastable to one step.
        v_init: V[0] as a fraction of the threshold.
        decay: part of the membrane potential kept at each step, in (0, 1].

    Returns:
        Float train (num_steps, batch, ...) of 0 and 1.
    """
    train, v = [], v_init * threshold
    for current in currents:
        v = decay * v + current
        spikes = _Rectangle.apply(v - threshold, threshold)
        v = v - threshold * spikes
        train.append(spikes)
    return torch.stack(train)

"""The tandem gradient (Eq. 11-13): the forward value is the spiking layer's, the backward one the analog layer's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Tandem(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, analog: Tensor, counts: Tensor, threshold: Tensor, num_steps: int, gated: bool) -> Tensor:
        ctx.num_steps, ctx.gated = num_steps, gated
        if threshold.requires_grad:
            ctx.save_for_backward(threshold, analog, counts)
        elif gated:
            ctx.save_for_backward(analog <= threshold * num_steps)
        return counts * threshold

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None, Tensor | None, None, None]:
        (grad,) = grad_outputs
        if not ctx.needs_input_grad[2]:
            return (grad * ctx.saved_tensors[0] if ctx.gated else grad), None, None, None, None
        threshold, analog, counts = ctx.saved_tensors
        ratio = analog / threshold
        within = ratio <= ctx.num_steps
        to_threshold = grad * (counts - ratio.where(within, torch.zeros_like(ratio)))
        return (grad * within if ctx.gated else grad), None, to_threshold.sum_to_size(threshold.shape), None, None


def tandem(analog: Tensor, counts: Tensor, threshold: Tensor, num_steps: int, *, gated: bool = False) -> Tensor:
    """Value of the spikes, theta c; gradient of the analog layer.

    Both are in activation units, so the 1 / theta of Eq. 13 appears nowhere and the gradient with respect to the
    pre-activation is the ReLU's derivative. A threshold that requires a gradient gets that of a learned step size
    (Esser et al., 2020): c - a / theta, the error of the rounding in steps, and N_s where the count is saturated.

    Args:
        analog: a = ReLU(W (theta c) + b), the coupled analog layer on the incoming counts.
        counts: c, the spiking layer's own counts, int32, same shape.
        threshold: theta, broadcastable.
        num_steps: N_s.
        gated: pass no gradient to `analog` where it is above theta N_s (the count is saturated there).
    """
    return _Tandem.apply(analog, counts, threshold, num_steps, gated)

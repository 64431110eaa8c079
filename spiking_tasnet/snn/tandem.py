"""The tandem gradient (Eq. 11-13): the forward value is the spiking layer's, the backward one the analog layer's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Tandem(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, analog: Tensor, spiking: Tensor, limit: Tensor | None) -> Tensor:
        if limit is not None:
            ctx.save_for_backward(analog <= limit)
        ctx.gated = limit is not None
        return spiking.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None, None]:
        (grad,) = grad_outputs
        return (grad * ctx.saved_tensors[0] if ctx.gated else grad), None, None


def tandem(analog: Tensor, spiking: Tensor, limit: Tensor | None = None) -> Tensor:
    """Value of `spiking`, gradient of `analog`.

    Both are in activation units, y = theta c, so the 1 / theta of Eq. 13 appears nowhere and the gradient with
    respect to the pre-activation is the ReLU's derivative.

    Args:
        analog: ReLU(W (theta c) + b), the coupled analog layer on the incoming counts.
        spiking: theta times the spiking layer's own count, same shape.
        limit: a_u, broadcastable; where given, no gradient passes above it (the count is saturated there).
    """
    return _Tandem.apply(analog, spiking, limit)

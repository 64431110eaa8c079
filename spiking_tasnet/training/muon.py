"""Muon: momentum whose matrices are made orthogonal before each step (Jordan et al., 2024), Adam for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import overload

import torch
from torch import Tensor
from torch.optim import Optimizer

from spiking_tasnet.training.precision import computes_bfloat16

# Coefficients of Jordan's quintic iteration: five steps bring every singular value into 0.7 to 1.2.
A, B, C = 3.4445, -4.7750, 2.0315
ITERATIONS = 5


def orthogonalised(matrix: Tensor) -> Tensor:
    """Nearly U V' of the singular value decomposition U S V' of `matrix`, by a Newton-Schulz iteration.

    It runs in bfloat16, which suffices, and in float32 where the device would only emulate that.

    Shape:
        (rows, columns) -> the same, float32; its singular values lie in 0.7 to 1.2.
    """
    x = matrix.bfloat16() if computes_bfloat16(matrix.device) else matrix.float()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x  # so the products below are of the smaller side
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = A * x + (B * gram + C * gram @ gram) @ x
    return (x.T if tall else x).float()


class Muon(Optimizer):
    """Muon for matrices and convolutions, which count as matrices (out, in x taps); Adam for all else.

    torch.optim.Muon takes matrices only. The step has the root mean square of Adam's, 0.2 lr (Liu et al., 2025), so one
    learning rate serves both in magnitude, though Muon stands a larger one.

    Args:
        matrices: weights of hidden layers, of two or more dimensions.
        others: all other parameters: biases, gains, first and last filters.
        lr: learning rate of the matrices.
        adam_lr: learning rate of the others.
        momentum: kept of the gradients per step, Nesterov's form.
    """

    def __init__(
        self, matrices: Iterable[Tensor], others: Iterable[Tensor], lr: float, adam_lr: float, momentum: float = 0.95
    ):
        groups = [
            {"params": list(matrices), "lr": lr, "matrix": True},
            {"params": list(others), "lr": adam_lr, "matrix": False},
        ]
        super().__init__(groups, {"momentum": momentum, "betas": (0.9, 0.999)})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step; `closure`, if there is one, computes the loss again."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    take = _matrix_step if group["matrix"] else _adam_step
                    take(parameter, parameter.grad, self.state[parameter], group)
        return loss


def _matrix_step(parameter: Tensor, gradient: Tensor, state: dict, group: dict) -> None:
    if not state:
        state["momentum"] = torch.zeros_like(parameter)
    momentum = state["momentum"].lerp_(gradient, 1 - group["momentum"])
    direction = gradient.lerp(momentum, group["momentum"]).flatten(1)
    step = orthogonalised(direction)
    # An orthogonal (rows, columns) matrix has a root mean square of 1 / sqrt(max(rows, columns)).
    scale = 0.2 * max(direction.shape) ** 0.5
    parameter.add_(step.view_as(parameter), alpha=-group["lr"] * scale)


def _adam_step(parameter: Tensor, gradient: Tensor, state: dict, group: dict) -> None:
    if not state:
        state["step"], state["mean"], state["square"] = 0, torch.zeros_like(parameter), torch.zeros_like(parameter)
    state["step"] += 1
    one, two = group["betas"]
    state["mean"].lerp_(gradient, 1 - one)
    state["square"].mul_(two).addcmul_(gradient, gradient, value=1 - two)
    mean = state["mean"] / (1 - one ** state["step"])
    root = (state["square"] / (1 - two ** state["step"])).sqrt_().add_(1e-8)
    parameter.addcdiv_(mean, root, value=-group["lr"])

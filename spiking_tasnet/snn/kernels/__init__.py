"""One interface to the simulation of a spiking layer; the kernel is chosen by device and shape.

reference   plain PyTorch, readable as the equations; what every other kernel is tested against
event       event-driven C for the CPU: one row-add a spike instead of a dense pass a step

`SPIKING_TASNET_KERNEL=reference` (or `event`) overrides the choice.
"""

from __future__ import annotations

import logging
import os
from functools import cache

import torch
from torch import Tensor, nn

from spiking_tasnet.snn.kernels import event, reference
from spiking_tasnet.snn.spikes import Spikes

__all__ = ["KERNELS", "choose", "simulate"]

logger = logging.getLogger(__name__)
FRACTION_BITS = 8  # of the fixed-point grid of integer kernels
KERNELS = ("reference", "event")


def simulate(
    operator: nn.Module, spikes: Spikes, weight: Tensor, current: Tensor, threshold: Tensor, v_init: float
) -> Tensor:
    """Spikes of IF neurons behind `operator`, by the kernel that `choose` picks; arguments as `reference.simulate`."""
    if choose(operator, spikes, weight) == "reference":
        return reference.simulate(operator, spikes, weight, current, threshold, v_init)
    linear = isinstance(operator, nn.Linear)
    words = spikes.code.view(-1, 1, spikes.shape[-1]) if linear else spikes.code.transpose(1, 2)
    geometry = {} if linear else {"stride": operator.stride[0], "dilation": operator.dilation[0]}
    padding = 0 if linear else _padding(operator)
    fired = event.conv1d_if(
        words.contiguous(),
        weight.unsqueeze(-1) if linear else weight,
        current,
        threshold,
        v_init,
        num_steps=spikes.num_steps,
        padding=padding,
        **geometry,
    )
    return fired.view(*spikes.shape[:-1], -1) if linear else fired.transpose(1, 2)


def choose(operator: nn.Module, spikes: Spikes, weight: Tensor) -> str:
    """Name of the kernel for this operator and these spikes.

    Raises:
        ValueError: `SPIKING_TASNET_KERNEL` names a kernel that does not exist, or that cannot run this layer.
    """
    wanted = os.environ.get("SPIKING_TASNET_KERNEL", "")
    if wanted and wanted not in KERNELS:
        raise ValueError(f"SPIKING_TASNET_KERNEL={wanted!r} found, one of {', '.join(KERNELS)} expected")
    fits = (
        spikes.packed
        and weight.dtype == torch.float32
        and weight.device.type == "cpu"
        and isinstance(operator, (nn.Linear, nn.Conv1d))
        and getattr(operator, "groups", 1) == 1
        and _padding(operator) is not None
        and event.available()
    )
    if wanted == "event" and not fits:
        raise ValueError(f"SPIKING_TASNET_KERNEL=event found, but it cannot run {operator}: unset it to fall back")
    kernel = wanted or ("event" if fits else "reference")
    _tell(kernel, str(operator))
    return kernel


def _padding(operator: nn.Module) -> int | None:
    """Symmetric padding of a Conv1d, or None where the two sides differ."""
    if not isinstance(operator, nn.Conv1d):
        return 0
    if operator.padding == "valid":
        return 0
    if operator.padding == "same":
        total = operator.dilation[0] * (operator.kernel_size[0] - 1)
        return total // 2 if total % 2 == 0 else None
    return operator.padding[0]


@cache
def _tell(kernel: str, operator: str) -> None:
    logger.debug("%s runs on the %s kernel", operator, kernel)

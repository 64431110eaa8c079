"""One interface to the simulation of a spiking layer; the kernel is chosen by device and shape.

reference   plain PyTorch, readable as the equations; what every other kernel is tested against
event       event-driven C for the CPU: one row-add an active input and window instead of a dense pass a step
fused       Triton for CUDA: words unpacked and neurons fired in registers

`SPIKING_TASNET_KERNEL=reference` (or `event`, `fused`) overrides the choice.
"""

from __future__ import annotations

import importlib
import logging
import os
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from spiking_tasnet.snn.kernels import event, reference
from spiking_tasnet.snn.kernels.geometry import FRACTION_BITS
from spiking_tasnet.snn.spikes import MAX_PACKED_STEPS, Spikes, count_bits

__all__ = ["FRACTION_BITS", "KERNELS", "choose", "count_spikes", "encode", "simulate"]

logger = logging.getLogger(__name__)
KERNELS = ("reference", "event", "fused")


def simulate(
    operator: nn.Module,
    spikes: Spikes,
    weight: Tensor,
    current: Tensor,
    threshold: Tensor,
    v_init: float,
    membrane: Tensor | None = None,
    packed: dict[int, Any] | None = None,
) -> Tensor:
    """Spikes of IF neurons behind `operator`, by the kernel that `choose` picks; arguments as `reference.simulate`.

    `packed` is a place where the event kernel keeps the weights as it reads them, for the next call with the same ones.

    Raises:
        ValueError: dtypes that do not go together.
    """
    dtype = torch.int32 if weight.dtype == torch.int8 else weight.dtype
    for name, values in (("current", current), ("threshold", threshold), ("membrane", membrane)):
        if values is not None and values.dtype != dtype:
            raise ValueError(f"{name} {values.dtype} found, {dtype} expected with {weight.dtype} weights")
    name = choose(operator, spikes, weight)
    given = (operator, spikes, weight, current, threshold, v_init, membrane)
    return event.simulate(*given, packed) if name == "event" else _module(name).simulate(*given)


def encode(
    operator: nn.Module, activation: Tensor, threshold: Tensor, num_steps: int, v_init: float, spread: bool
) -> Tensor:
    """Spikes of an encoding layer (section 3.4); arguments as `reference.encode`, the same spikes by either kernel."""
    wanted = os.environ.get("SPIKING_TASNET_KERNEL", "")
    on_cpu = activation.device.type == "cpu" and activation.dtype == threshold.dtype == torch.float32
    fits = on_cpu and num_steps <= MAX_PACKED_STEPS and wanted in ("", "event") and event.available()
    kernel = event if fits else reference
    return kernel.encode(operator, activation, threshold, num_steps, v_init, spread)


def choose(operator: nn.Module, spikes: Spikes, weight: Tensor) -> str:
    """Name of the kernel for this operator and these spikes.

    Raises:
        ValueError: `SPIKING_TASNET_KERNEL` names a kernel that does not exist, or that cannot run this layer.
    """
    wanted = os.environ.get("SPIKING_TASNET_KERNEL", "")
    if wanted and wanted not in KERNELS:
        raise ValueError(f"SPIKING_TASNET_KERNEL={wanted!r} found, one of {', '.join(KERNELS)} expected")
    fast = "fused" if weight.device.type == "cuda" else "event"
    kernel = wanted or (fast if _runs(fast, operator, spikes, weight) and _pays(fast, operator) else "reference")
    if wanted and not _runs(wanted, operator, spikes, weight):
        raise ValueError(f"SPIKING_TASNET_KERNEL={wanted} found, but it cannot run {operator}: unset it to fall back")
    _tell(kernel, str(operator))
    return kernel


def count_spikes(words: Tensor) -> Tensor:
    """Number of spikes in each int32 word, int32 (Eq. 6), whatever the device."""
    if words.device.type == "cpu" and words.dtype == torch.int32 and event.available():
        return event.count(words)
    return count_bits(words)


def _runs(kernel: str, operator: nn.Module, spikes: Spikes, weight: Tensor) -> bool:
    module = _module(kernel)
    if kernel == "reference":
        return True
    return module is not None and module.available() and module.fits(operator, spikes, weight)


def _pays(kernel: str, operator: nn.Module) -> bool:
    """Not where a group has a handful of outputs: the event kernel adds a block of them at a time."""
    return kernel != "event" or getattr(operator, "groups", 1) == 1 or operator.out_channels // operator.groups >= 8


@cache
def _module(kernel: str) -> ModuleType | None:
    """The module of a kernel; that of the GPU is loaded when there is one to run it."""
    if kernel != "fused":
        return {"reference": reference, "event": event}[kernel]
    try:
        return importlib.import_module("spiking_tasnet.snn.kernels.fused")
    except ImportError:
        return None


@cache
def _tell(kernel: str, operator: str) -> None:
    logger.debug("%s runs on the %s kernel", operator, kernel)

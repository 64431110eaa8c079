"""One interface to the simulation of a spiking layer; the kernel is chosen by device and shape.

reference       plain PyTorch, readable as the equations; what every other kernel is tested against
event           event-driven C for the CPU: one row-add per active input and window instead of a dense pass per step
fused           Triton for CUDA: words unpacked and neurons fired in registers
neurons         what a kernel simulates, and the fixed point of integer weights
geometry        an operator as a convolution over frames
packed_weights, chunks, threads, build   parts of the event kernel

`SPIKING_TASNET_KERNEL=reference` (or `event`, `fused`) overrides the choice.
"""

from __future__ import annotations

import importlib
import logging
import os
from functools import cache
from types import ModuleType

import torch
from torch import Tensor

from spiking_tasnet.snn.kernels import event, reference
from spiking_tasnet.snn.kernels.neurons import FRACTION_BITS, Neurons
from spiking_tasnet.snn.kernels.packed_weights import PackedWeights
from spiking_tasnet.snn.operators import Operator
from spiking_tasnet.snn.settings import Encoding
from spiking_tasnet.snn.words import MAX_PACKED_STEPS, count_bits

__all__ = ["FRACTION_BITS", "KERNELS", "Neurons", "PackedWeights", "choose", "count_spikes", "encode", "simulate"]

logger = logging.getLogger(__name__)
KERNELS = ("reference", "event", "fused")


def simulate(
    operator: Operator,
    code: Tensor,
    num_steps: int,
    neurons: Neurons,
    membrane: Tensor | None = None,
    packed: dict[int, PackedWeights] | None = None,
) -> Tensor:
    """Spikes of IF neurons behind `operator`, by the kernel that `choose` picks; arguments as `reference.simulate`.

    The event kernel keeps in `packed` the weights as it reads them, for the next call with the same neurons.

    Raises:
        ValueError: dtypes that do not go together.
    """
    weight = neurons.weight
    dtype = torch.int32 if weight.dtype == torch.int8 else weight.dtype
    for name, values in (("current", neurons.current), ("threshold", neurons.threshold), ("membrane", membrane)):
        if values is not None and values.dtype != dtype:
            raise ValueError(f"{name} {values.dtype} found, {dtype} expected with {weight.dtype} weights")
    name = choose(operator, code, num_steps, weight, neurons.phased)
    if name == "event":
        return event.simulate(operator, code, num_steps, neurons, membrane, packed)
    kernel = _module(name)
    assert kernel is not None  # `choose` asked it
    return kernel.simulate(operator, code, num_steps, neurons, membrane)


def encode(
    operator: Operator, activation: Tensor, threshold: Tensor, num_steps: int, v_init: float, encoding: Encoding
) -> Tensor:
    """Spikes of an encoding layer (section 3.4); arguments as `reference.encode`. Both kernels give the same spikes."""
    wanted = os.environ.get("SPIKING_TASNET_KERNEL", "")
    on_cpu = activation.device.type == "cpu" and activation.dtype == threshold.dtype == torch.float32
    fits = on_cpu and num_steps <= MAX_PACKED_STEPS and wanted in ("", "event") and event.available()
    kernel = event if fits else reference
    return kernel.encode(operator, activation, threshold, num_steps, v_init, encoding)


def choose(operator: Operator, code: Tensor, num_steps: int, weight: Tensor, phased: bool = False) -> str:
    """Name of the kernel for this operator, these spikes and these weights; `phased` as in `Neurons`.

    Raises:
        ValueError: `SPIKING_TASNET_KERNEL` names a kernel that does not exist, or that cannot run this layer.
    """
    wanted = os.environ.get("SPIKING_TASNET_KERNEL", "")
    if wanted and wanted not in KERNELS:
        raise ValueError(f"SPIKING_TASNET_KERNEL={wanted!r} found, one of {', '.join(KERNELS)} expected")
    fast = "fused" if weight.device.type == "cuda" else "event"
    usable = _runs(wanted or fast, operator, code, num_steps, weight) and not (phased and (wanted or fast) == "fused")
    if wanted and not usable:
        layer = f"phased neurons behind {operator}" if phased else str(operator)
        raise ValueError(f"SPIKING_TASNET_KERNEL={wanted} found, but it cannot run {layer}: unset it to fall back")
    kernel = wanted or (fast if usable and _pays(fast, operator) else "reference")
    _log_choice(kernel, str(operator))
    return kernel


def count_spikes(words: Tensor) -> Tensor:
    """Number of spikes in each int32 word, int32 (Eq. 6), on any device."""
    if words.device.type == "cpu" and words.dtype == torch.int32 and event.available():
        return event.count(words)
    return count_bits(words)


def _runs(kernel: str, operator: Operator, code: Tensor, num_steps: int, weight: Tensor) -> bool:
    module = _module(kernel)
    if kernel == "reference":
        return True
    return module is not None and module.available() and module.fits(operator, code, num_steps, weight)


def _pays(kernel: str, operator: Operator) -> bool:
    """Not where a group has a handful of outputs: the event kernel adds a block of them at a time."""
    groups = getattr(operator, "groups", 1)
    return kernel != "event" or groups == 1 or operator.weight.shape[0] // groups >= 8


@cache
def _module(kernel: str) -> ModuleType | None:
    """The module of a kernel; that of the GPU is loaded only where it is asked for."""
    if kernel != "fused":
        return {"reference": reference, "event": event}[kernel]
    try:
        return importlib.import_module("spiking_tasnet.snn.kernels.fused")
    except ImportError:
        return None


@cache
def _log_choice(kernel: str, operator: str) -> None:
    logger.debug("%s runs on the %s kernel", operator, kernel)

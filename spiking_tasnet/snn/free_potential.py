"""The free aggregate membrane potential (Eq. 9) of integer weights: what neurons that never fire are charged with.

The event-driven kernel adds up integers without error and only where spikes come in, which takes a third of the time of
a dense product with float32 weights. The sum over all steps does not depend on when spikes come, so the trains are
first moved to the beginning of the window: these bursts have the fewest patterns.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from spiking_tasnet.snn import kernels
from spiking_tasnet.snn.kernels import FRACTION_BITS, Neurons, PackedWeights
from spiking_tasnet.snn.kernels.geometry import Geometry
from spiking_tasnet.snn.operators import Operator, per_channel

MOST_STEPS = 31  # a burst of 32 would need 33 bits before 1 is taken away
MAX_INT32 = 2**31 - 1


class FreeNeurons(NamedTuple):
    """Neurons that never fire, behind integer weights.

    Attributes:
        neurons: without current.
        unit: activation units of 2**-FRACTION_BITS of an incoming spike at an integer weight of 1, (out,).
        packed: where the event kernel keeps the weights as it reads them.
    """

    neurons: Neurons
    unit: Tensor
    packed: dict[int, PackedWeights]


def free_neurons(integers: Tensor, unit: Tensor, num_steps: int) -> FreeNeurons | None:
    """Neurons that never fire; None where their potential could leave 32 bits or bursts do not fit.

    Args:
        integers: int8 weight (out, in / groups, *kernel).
        unit: activation units of an incoming spike at an integer weight of 1, (1,) or (out,).
        num_steps: N_s of the spikes that come in.
    """
    reach = int(integers.flatten(1).abs().sum(1, dtype=torch.int64).max()) << FRACTION_BITS
    if num_steps > MOST_STEPS or reach * num_steps > MAX_INT32 // 2:
        return None
    zeros = torch.zeros(len(integers), dtype=torch.int32)
    neurons = Neurons(integers, zeros, torch.full_like(zeros, MAX_INT32))
    return FreeNeurons(neurons, (unit.double() / 2**FRACTION_BITS).float().expand(len(integers)), {})


def free_potential(operator: Operator, code: Tensor, num_steps: int, free: FreeNeurons) -> Tensor:
    """The potential without bias, in activation units.

    Args:
        operator: gives the geometry.
        code: int32 words of the spikes that come in, (batch, in, ...).
        num_steps: N_s.
        free: of this operator.

    Returns:
        (batch, out, ...), float32.
    """
    bursts = kernels.count_spikes(code)
    bursts = torch.ones_like(bursts).bitwise_left_shift_(bursts).sub_(1)
    linear = isinstance(operator, nn.Linear)
    frames = code.shape[:-1] if linear else Geometry.of(operator, code.shape).out_frames[: code.dim() - 1]
    membrane = torch.zeros(*frames, len(free.unit), dtype=torch.int32)
    membrane = membrane if linear else membrane.movedim(-1, 1)  # channels last, as the kernel writes
    kernels.simulate(operator, bursts, num_steps, free.neurons, membrane, free.packed)
    return membrane * per_channel(operator, free.unit)

"""Event-driven simulation on the CPU: tensors in and out of `event.c`, which describes the algorithm.

Two passes: the active inputs of each input frame are listed by the pattern of their spikes, then each output frame
adds up the weights of the inputs in the lists of its taps.
"""

from __future__ import annotations

import threading

import numpy as np
import torch
from torch import Tensor, nn

from spiking_tasnet.snn.kernels.build import available, ffi, library, pointer
from spiking_tasnet.snn.kernels.chunks import chunks
from spiking_tasnet.snn.kernels.geometry import Geometry
from spiking_tasnet.snn.kernels.neurons import Neurons
from spiking_tasnet.snn.kernels.packed_weights import PackedWeights
from spiking_tasnet.snn.kernels.threads import run_threaded
from spiking_tasnet.snn.operators import OPERATORS, Operator
from spiking_tasnet.snn.settings import Encoding
from spiking_tasnet.snn.words import is_packed

__all__ = ["available", "count", "encode", "fits", "simulate"]

POOL_BYTES = 12 << 20  # of the lists kept at a time, the only large buffer beside the packed weights
TABLE = 129  # uint32 of each frame beside its list: where its 8 x 16 buckets begin, and where the last one ends
MAX_ROWS = 1 << 16  # the number of a row, one for each input and tap, has 16 bits in a list

_kept = threading.local()


def fits(operator: Operator, code: Tensor, num_steps: int, weight: Tensor) -> bool:
    """Whether this kernel can run the layer."""
    fan_in, taps = weight.shape[1], weight.shape[2:].numel()
    return (
        is_packed(code, num_steps)
        and weight.device.type == "cpu"
        and weight.dtype in (torch.float32, torch.int8)
        and isinstance(operator, OPERATORS)
        and fan_in * taps <= MAX_ROWS
        and available()
        and taps <= library().event_limit(1)
    )


def simulate(
    operator: Operator,
    code: Tensor,
    num_steps: int,
    neurons: Neurons,
    membrane: Tensor | None = None,
    packed: dict[int, PackedWeights] | None = None,
) -> Tensor:
    """Spikes of IF neurons behind `operator`; arguments and result as `reference.simulate`.

    Integer weights give the reference's spikes, float weights too up to the order of summation. `packed` keeps the
    weights of each group for the next call with the same neurons.

    Returns:
        int32 words (batch, out, *spatial), a view of channels-last memory, which is what the kernel reads and writes.
    """
    geometry, linear = Geometry.of(operator, code.shape), isinstance(operator, nn.Linear)
    words = (code if linear else code.movedim(1, -1)).contiguous()
    spatial = code.shape[:-1] if linear else geometry.out_frames[: code.dim() - 1]
    fired = torch.empty(*spatial, len(neurons.threshold), dtype=torch.int32)
    given = membrane if membrane is None or linear else membrane.movedim(1, -1)
    # The kernel writes channels-last memory. Where the caller's membranes lie so already, `contiguous` returns the same
    # tensor, and nothing has to be copied back at the end.
    state = None if given is None else given.contiguous()
    for group in range(geometry.groups):
        weights = None if packed is None else packed.get(group)
        if weights is None:
            mine = slice(group * geometry.fan_out, (group + 1) * geometry.fan_out)
            weight, current, threshold = (values.detach()[mine].contiguous() for values in neurons[:3])
            weights = PackedWeights(neurons._replace(weight=weight, current=current, threshold=threshold))
            if packed is not None:
                packed[group] = weights
        _run(geometry, num_steps, neurons.phased, group, words, weights, state, fired)
    if given is not None and state is not None and state is not given:
        given.copy_(state)
    return fired if linear else fired.movedim(-1, 1)


def encode(
    operator: Operator, activation: Tensor, threshold: Tensor, num_steps: int, v_init: float, encoding: Encoding
) -> Tensor:
    """Spikes of an encoding layer; arguments and result as `reference.encode`, in channels-last memory."""
    linear = isinstance(operator, nn.Linear)
    values = (activation if linear else activation.movedim(1, -1)).contiguous()
    words, chan = torch.empty(values.shape, dtype=torch.int32), len(threshold)
    threshold, start = threshold.contiguous(), (threshold * v_init).contiguous()
    given = pointer(values), pointer(threshold), chan, num_steps, int(encoding == "spread"), pointer(start), v_init
    run_threaded(library().event_encode, given, (0, values.numel() // chan), (pointer(words),), 8 * chan)
    return words if linear else words.movedim(-1, 1)


def count(words: Tensor) -> Tensor:
    """Number of spikes in each int32 word, int32, in the layout of `words`."""
    counts = torch.empty_like(words)
    if counts.stride() != words.stride():  # no plain block of memory
        words = words.contiguous()
        counts = torch.empty_like(words)
    run_threaded(library().event_count, (pointer(words),), (0, words.numel()), (pointer(counts),), 1)
    return counts


def _pool(size: int) -> Tensor:
    """At least `size` int16 to work with, this thread's own, kept for the next call: new memory has to be cleared."""
    pool = getattr(_kept, "pool", None)
    if pool is None or len(pool) < size:
        pool = _kept.pool = torch.empty(size, dtype=torch.int16)
    return pool


def _run(
    geometry: Geometry,
    num_steps: int,
    phased: bool,
    group: int,
    words: Tensor,
    weights: PackedWeights,
    state: Tensor | None,
    fired: Tensor,
) -> None:
    """Fill the group's channels of `fired`, and of `state` if there is one."""
    (batch, height, width), (_, *out_size) = geometry.frames, geometry.out_frames
    chan = (words.shape[-1], geometry.fan_in), (fired.shape[-1], geometry.fan_out)
    taps = (value for pair in geometry[2:6] for value in pair)
    layer = ffi().new("geometry_t *", (height, width, *chan[0], *out_size, *chan[1], *taps, num_steps, 0, int(phased)))
    source = pointer(words, group * geometry.fan_in)
    targets = [pointer(values, group * geometry.fan_out) for values in (state, fired)]
    kernel, slack = library(), library().event_limit(0)

    lengths = np.empty(batch * height * width, np.int32)
    span = (0, len(lengths))
    run_threaded(kernel.event_lengths, (layer, source), span, (pointer(lengths),), geometry.fan_in)
    # The list of a frame begins where the one before it ends, and SLACK further: copying writes whole pieces. `size` is
    # what the frames before each take, in bytes: two for an entry of a list, four for an entry of a table.
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths + np.int32(slack), out=starts[1:])
    size = 2 * starts + 4 * TABLE * np.arange(len(starts))
    for (first, last), out in chunks(geometry, size, POOL_BYTES):
        places = starts[first : last + 1] - starts[first]
        pool = _pool(int(places[-1]) + slack)
        table = np.empty((last - first, TABLE), np.uint32)
        lists = [pointer(values) for values in (places, table, pool)]
        run_threaded(kernel.event_lists, (layer, source, first), (first, last), lists, 8 * geometry.fan_in)
        given = layer, *weights.pointers(), first, *lists
        work = weights.taps * geometry.fan_in * geometry.fan_out
        run_threaded(weights.function("run"), given, out, targets, work)

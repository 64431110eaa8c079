"""Event-driven simulation on the CPU: tensors in and out of `event.c`, which describes the algorithm.

Two passes: the active inputs of each input frame are listed by the pattern of their spikes, then each output frame
adds up the weights of the inputs in the lists of its taps.
"""

from __future__ import annotations

import ctypes
import threading

import numpy as np
import torch
from torch import Tensor, nn

from spiking_tasnet.snn.kernels.build import available, library
from spiking_tasnet.snn.kernels.chunks import chunks
from spiking_tasnet.snn.kernels.geometry import Geometry
from spiking_tasnet.snn.kernels.parallel import spread
from spiking_tasnet.snn.kernels.rows import Rows
from spiking_tasnet.snn.spikes import Spikes

__all__ = ["available", "count", "fits", "simulate"]

POOL_BYTES = 12 << 20  # of the lists kept at a time, the only large buffer beside the packed weights
TABLE = 129  # int32 of each frame beside its list
MAX_ROWS = 1 << 16  # the number of a row, one for each input and tap, has 16 bits in a list

_kept = threading.local()


class _Layer(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int64)
        for name in (
            "height width chan_in fan_in out_height out_width chan_out fan_out kernel_h kernel_w stride_h stride_w "
            "padding_h padding_w dilation_h dilation_w num_steps ring"
        ).split()
    ]


def fits(operator: nn.Module, spikes: Spikes, weight: Tensor) -> bool:
    """Whether this kernel can run the layer."""
    fan_in, taps = weight.shape[1], weight.shape[2:].numel()
    return (
        spikes.packed
        and weight.device.type == "cpu"
        and weight.dtype in (torch.float32, torch.int8)
        and isinstance(operator, (nn.Linear, nn.Conv1d, nn.Conv2d))
        and fan_in * taps <= MAX_ROWS
        and available()
        and taps <= library().event_limit(1)
    )


def simulate(
    operator: nn.Module,
    spikes: Spikes,
    weight: Tensor,
    current: Tensor,
    threshold: Tensor,
    v_init: float,
    membrane: Tensor | None = None,
    packed: dict[int, Rows] | None = None,
) -> Tensor:
    """Spikes of IF neurons behind `operator`; arguments and result as `reference.simulate`.

    Integer weights give the reference's spikes, float weights too up to the order of summation. `packed` keeps each
    group's rows for the next call with the same weights, thresholds and v_init.

    Returns:
        int32 words (batch, out, *spatial), a view of channels-last memory, which is what the kernel reads and writes.
    """
    geometry, linear = Geometry.of(operator, spikes.shape), isinstance(operator, nn.Linear)
    weight, current, threshold = (values.detach().contiguous() for values in (weight, current, threshold))
    words = (spikes.code if linear else spikes.code.movedim(1, -1)).contiguous()
    spatial = spikes.shape[:-1] if linear else geometry.out_frames[: spikes.dim() - 1]
    fired = torch.empty(*spatial, threshold.numel(), dtype=torch.int32)
    state = given = None
    if membrane is not None:
        given = membrane if linear else membrane.movedim(1, -1)
        state = given.contiguous()
    for group in range(geometry.groups):
        mine = slice(group * geometry.fan_out, (group + 1) * geometry.fan_out)
        rows = None if packed is None else packed.get(group)
        if rows is None:
            rows = Rows(weight[mine], current[mine], threshold[mine], v_init)
            if packed is not None:
                packed[group] = rows
        _run(geometry, spikes.num_steps, group, words, rows, state, fired)
    if state is not given:
        given.copy_(state)
    return fired if linear else fired.movedim(-1, 1)


def encode(
    operator: nn.Module, activation: Tensor, threshold: Tensor, num_steps: int, v_init: float, spread_: bool
) -> Tensor:
    """Spikes of an encoding layer; arguments and result as `reference.encode`, in channels-last memory."""
    linear = isinstance(operator, nn.Linear)
    values = (activation if linear else activation.movedim(1, -1)).contiguous()
    words = torch.empty(values.shape, dtype=torch.int32)
    given = values.data_ptr(), threshold.contiguous().data_ptr(), len(threshold), num_steps, int(spread_)
    start = (threshold * v_init).contiguous()
    frames = (0, values.numel() // len(threshold))
    spread(library().event_encode, (*given, start.data_ptr(), v_init), frames, (words.data_ptr(),), 8 * len(threshold))
    return words if linear else words.movedim(-1, 1)


def count(words: Tensor) -> Tensor:
    """Number of spikes in each int32 word, int32, in the layout of `words`."""
    counts = torch.empty_like(words)
    if counts.stride() != words.stride():  # no plain block of memory
        words = words.contiguous()
        counts = torch.empty_like(words)
    spread(library().event_count, (words.data_ptr(),), (0, words.numel()), (counts.data_ptr(),), 1)
    return counts


def _pool(size: int) -> Tensor:
    """At least `size` int16 to work with, this thread's own, kept for the next call: new memory has to be cleared."""
    pool = getattr(_kept, "pool", None)
    if pool is None or len(pool) < size:
        pool = _kept.pool = torch.empty(size, dtype=torch.int16)
    return pool


def _run(
    geometry: Geometry, num_steps: int, group: int, words: Tensor, rows: Rows, state: Tensor | None, fired: Tensor
) -> None:
    """Fill the group's channels of `fired`, and of `state` if there is one."""
    (batch, height, width), (_, *out_size) = geometry.frames, geometry.out_frames
    chan = (words.shape[-1], geometry.fan_in), (fired.shape[-1], geometry.fan_out)
    taps = (value for pair in geometry[2:6] for value in pair)
    layer = ctypes.byref(_Layer(height, width, *chan[0], *out_size, *chan[1], *taps, num_steps))
    source = words.data_ptr() + 4 * group * geometry.fan_in
    targets = [t if t is None else t.data_ptr() + 4 * group * geometry.fan_out for t in (state, fired)]
    kernel, slack = library(), library().event_limit(0)

    lengths = np.empty(batch * height * width, np.int32)
    spread(kernel.event_lengths, (layer, source), (0, len(lengths)), (lengths.ctypes.data,), geometry.fan_in)
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths + np.int32(slack), out=starts[1:])
    size = 2 * starts + 4 * TABLE * np.arange(len(starts))
    for (first, last), out in chunks(geometry, size, POOL_BYTES):
        places = starts[first : last + 1] - starts[first]
        pool = _pool(int(places[-1]) + slack)
        table = np.empty((last - first, TABLE), np.int32)
        lists = [places.ctypes.data, table.ctypes.data, pool.data_ptr()]
        spread(kernel.event_lists, (layer, source, first), (first, last), lists, 8 * geometry.fan_in)
        given = layer, *rows.pointers(), first, *lists
        spread(rows.function("run"), given, out, targets, rows.taps * geometry.fan_in * geometry.fan_out)

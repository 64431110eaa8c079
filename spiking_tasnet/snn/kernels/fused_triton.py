"""The Triton programs of `fused`; its docstring has the mathematics, the tile and the register budget."""
# Triton compiles these functions. They are Python by their grammar only, so types are not checked as in Python.
# pyright: reportAssignmentType=false, reportAttributeAccessIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

import triton
import triton.language as tl

__all__ = ["INTERPRETED", "layer", "tuned_layer"]

INTERPRETED: bool = triton.knobs.runtime.interpret
"""Whether Triton ran these programs on the CPU, in NumPy, from the start of the process (TRITON_INTERPRET=1)."""


@triton.jit
def _ones(word, STEPS: tl.constexpr, COLUMNS: tl.constexpr):
    """Unpack words, int32 (BLOCK, BLOCK_IN), into float16 0 and 1, (COLUMNS, BLOCK_IN), columns as in `layer`.

    A register holds two float16. So the halves of a pair of channels are first put side by side, steps 0-15 in one
    word and 16-31 in another; then a shift, a mask and a product by 0x3C00, which is 1.0, unpack a step of both.
    """
    GROUPS: tl.constexpr = word.shape[0] // 4
    PAIRS: tl.constexpr = word.shape[1] // 2
    PARTS: tl.constexpr = 2 if STEPS > 16 else 1
    step = _steps(STEPS // PARTS)
    even, odd = tl.split(tl.reshape(word, (GROUPS * 4, PAIRS, 2)))
    pair = tl.reshape((even & 0xFFFF) | (odd << 16), (GROUPS, 1, 4, 1, PAIRS)) >> step
    if PARTS == 2:
        late = tl.reshape(((even >> 16) & 0xFFFF) | ((odd >> 16) << 16), (GROUPS, 1, 4, 1, PAIRS)) >> step
        pair = tl.permute(tl.join(pair, late), (0, 5, 1, 2, 3, 4))
    pair = tl.reshape((pair & 0x00010001) * 0x3C00, (COLUMNS, PAIRS))
    first = pair.to(tl.int16).to(tl.float16, bitcast=True)
    second = (pair >> 16).to(tl.int16).to(tl.float16, bitcast=True)
    return tl.reshape(tl.join(first, second), (COLUMNS, 2 * PAIRS))


@triton.jit
def _bytes(word, STEPS: tl.constexpr, COLUMNS: tl.constexpr):
    """Unpack words, int32 (BLOCK, BLOCK_IN), into int8 0 and 1, (COLUMNS, BLOCK_IN), columns as in `layer`.

    A register holds four int8, so the bytes of four channels are put side by side, eight steps to a word.
    """
    GROUPS: tl.constexpr = word.shape[0] // 4
    QUADS: tl.constexpr = word.shape[1] // 4
    even, odd = tl.split(tl.reshape(word, (GROUPS * 4, QUADS, 2, 2)))
    a, c = tl.split(even)
    b, d = tl.split(odd)
    if STEPS <= 8:
        quad = _quad(a, b, c, d, 0, STEPS)
    elif STEPS == 16:
        quad = tl.join(_quad(a, b, c, d, 0, 8), _quad(a, b, c, d, 8, 8))
        quad = tl.permute(quad, (0, 5, 1, 2, 3, 4))
    else:
        quad = _four(
            _quad(a, b, c, d, 0, 8), _quad(a, b, c, d, 8, 8), _quad(a, b, c, d, 16, 8), _quad(a, b, c, d, 24, 8)
        )
        quad = tl.permute(quad, (0, 5, 6, 1, 2, 3, 4))
    quad = tl.reshape(quad & 0x01010101, (COLUMNS, QUADS))
    a, b, c, d = quad.to(tl.int8), (quad >> 8).to(tl.int8), (quad >> 16).to(tl.int8), (quad >> 24).to(tl.int8)
    return tl.reshape(_four(a, b, c, d), (COLUMNS, 4 * QUADS))


@triton.jit
def _quad(a, b, c, d, FIRST: tl.constexpr, STEPS: tl.constexpr):
    """The steps FIRST .. FIRST + STEPS - 1 of four channels, one in the lowest bit of each byte."""
    low = ((a >> FIRST) & 0xFF) | (((b >> FIRST) & 0xFF) << 8)
    quad = low | (((c >> FIRST) & 0xFF) << 16) | ((d >> FIRST) << 24)
    return tl.reshape(quad, (a.shape[0] // 4, 1, 4, 1, a.shape[1])) >> _steps(STEPS)


@triton.jit
def _four(a, b, c, d):
    """Stack four along two new last axes, (2, 2), in their order."""
    return tl.join(tl.join(a, c), tl.join(b, d))


@triton.jit
def _steps(STEPS: tl.constexpr):
    """The steps 0 .. STEPS - 1 along the axes (group, step // 2, position % 4, step % 2, channel)."""
    return 2 * tl.arange(0, STEPS // 2)[None, :, None, None, None] + tl.arange(0, 2)[None, None, None, :, None]


@triton.jit
def _scan(z, v, train, current, threshold, STEP: tl.constexpr, STEPS: tl.constexpr, NUM_STEPS: tl.constexpr):
    """Integrate and fire (Eq. 3-6) over the steps STEP .. STEP + STEPS - 1, by halves, the early half first.

    z holds W s, (BLOCK_OUT, groups, STEPS x 4), columns as in `layer`; v and train are (BLOCK_OUT, groups, 4).
    """
    if STEP < NUM_STEPS:
        if STEPS == 1:
            v += z + current
            fires = v >= threshold
            v -= tl.where(fires, threshold, 0)
            train |= fires.to(tl.int32) << STEP
        else:
            if STEPS == 2:  # neighbouring columns
                z = tl.reshape(z, (z.shape[0], z.shape[1], 4, 2))
            else:
                z = tl.permute(tl.reshape(z, (z.shape[0], z.shape[1], 2, 2 * STEPS)), (0, 1, 3, 2))
            early, late = tl.split(z)
            v, train = _scan(early, v, train, current, threshold, STEP, STEPS // 2, NUM_STEPS)
            v, train = _scan(late, v, train, current, threshold, STEP + STEPS // 2, STEPS // 2, NUM_STEPS)
    return v, train


# Not specialised on the numbers that differ between the layers of one network: one compilation serves them all.
@triton.jit(
    do_not_specialize=[
        "positions",
        "out_height",
        "out_width",
        "height",
        "width",
        "stride_height",
        "stride_width",
        "pad_height",
        "pad_width",
        "dilation_height",
        "dilation_width",
    ]
)
def layer(
    words,  # int32, at (batch, height, width, chan_in) by the strides word_*
    high,  # float16 or int8 (TAPS, outs, CHUNKS x BLOCK_IN): the weights, padded with zeros to whole tiles
    low,  # float16, what `high` left over; not read for int8
    current,  # (outs,), in the unit of the weights
    threshold,  # (outs,), likewise
    start,  # (outs,), V[0], likewise
    scale,  # (outs,), the power of two in float weights; not read for int8
    membrane,  # (positions, out), V in activation units, read and written if CARRIES
    fired,  # int32 (positions, out)
    positions,  # batch x out_height x out_width
    out,
    chan_in,
    outs,
    out_height,
    out_width,
    height,
    width,
    word_batch,
    word_height,
    word_width,
    word_chan,
    stride_height,
    stride_width,
    pad_height,
    pad_width,
    dilation_height,
    dilation_width,
    NUM_STEPS: tl.constexpr,
    STEPS: tl.constexpr,  # NUM_STEPS rounded up to a power of two, at least 4
    FRACTION_BITS: tl.constexpr,
    INTEGER: tl.constexpr,
    CARRIES: tl.constexpr,
    TAPS: tl.constexpr,
    KERNEL_WIDTH: tl.constexpr,
    CHUNKS: tl.constexpr,
    BLOCK_IN: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """One tile: BLOCK_OUT channels at COLUMNS / STEPS output positions, all steps.

    The product is (BLOCK_OUT, k) x (k, COLUMNS) with the columns in the order (group, step // 2, position % 4,
    step % 2): the tensor core leaves columns 8 j + 2 q + i of a row, for all j and i, to thread q of four. So a thread
    ends up with all the steps of its neurons, and the scan over steps moves nothing between threads. (A membrane to
    go on from is the exception: Triton then scans in the layout it was loaded in.)
    """
    BLOCK: tl.constexpr = COLUMNS // STEPS
    GROUPS: tl.constexpr = BLOCK // 4
    CHANS: tl.constexpr = CHUNKS * BLOCK_IN
    tiles = tl.cdiv(out, BLOCK_OUT)
    first_position = (tl.program_id(0) // tiles) * BLOCK  # tiles side by side share their words
    channel = (tl.program_id(0) % tiles) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)

    position = first_position + tl.arange(0, BLOCK)
    clip = words + (position // (out_width * out_height)).to(tl.int64) * word_batch
    top = (position // out_width) % out_height * stride_height - pad_height
    left = position % out_width * stride_width - pad_width
    chan = tl.arange(0, BLOCK_IN)
    rows = channel.to(tl.int64)[:, None] * CHANS + chan[None, :]
    tap_stride = outs.to(tl.int64) * CHANS

    z = tl.zeros((BLOCK_OUT, COLUMNS), dtype=tl.int32 if INTEGER else tl.float32)
    for index in range(TAPS * CHUNKS):  # one loop, so that loads run ahead across taps
        tap = index // CHUNKS
        begin = index % CHUNKS * BLOCK_IN
        y = top + tap // KERNEL_WIDTH * dilation_height
        x = left + tap % KERNEL_WIDTH * dilation_width
        there = (position < positions) & (y >= 0) & (y < height) & (x >= 0) & (x < width)
        frame = clip + y.to(tl.int64) * word_height + x.to(tl.int64) * word_width
        at = frame[:, None] + (begin + chan).to(tl.int64)[None, :] * word_chan
        word = tl.load(at, mask=there[:, None] & (begin + chan < chan_in)[None, :], other=0)
        at_weight = tap * tap_stride + begin + rows
        if INTEGER:
            spikes = tl.trans(_bytes(word, STEPS, COLUMNS))
            z = tl.dot(tl.load(high + at_weight), spikes, acc=z, out_dtype=tl.int32)
        else:
            spikes = tl.trans(_ones(word, STEPS, COLUMNS))
            z = tl.dot(tl.load(high + at_weight), spikes, acc=z)
            z = tl.dot(tl.load(low + at_weight), spikes, acc=z)

    neuron = (first_position + 4 * tl.arange(0, GROUPS))[None, :, None] + tl.arange(0, 4)[None, None, :]
    mine = (neuron < positions) & (channel < out)[:, None, None]
    neuron = neuron.to(tl.int64) * out + channel[:, None, None]
    if INTEGER:
        z = z << FRACTION_BITS
    if CARRIES:
        v = tl.load(membrane + neuron, mask=mine, other=0)
        if not INTEGER:
            v *= tl.load(scale + channel)[:, None, None]
    else:
        v = tl.zeros((BLOCK_OUT, GROUPS, 4), dtype=z.dtype) + tl.load(start + channel)[:, None, None]
    v, train = _scan(
        tl.reshape(z, (BLOCK_OUT, GROUPS, STEPS * 4)),
        v,
        tl.zeros((BLOCK_OUT, GROUPS, 4), dtype=tl.int32),
        tl.load(current + channel)[:, None, None],
        tl.load(threshold + channel)[:, None, None],
        0,
        STEPS,
        NUM_STEPS,
    )
    tl.store(fired + neuron, train, mask=mine)
    if CARRIES:
        if not INTEGER:
            v /= tl.load(scale + channel)[:, None, None]
        tl.store(membrane + neuron, v, mask=mine)


# Two small tiles an SM, so that one multiplies while the other unpacks; or one large tile, which unpacks half as often.
tuned_layer = triton.autotune(
    [
        triton.Config({"BLOCK_OUT": 64, "COLUMNS": 256}, num_warps=4, num_stages=3),
        triton.Config({"BLOCK_OUT": 128, "COLUMNS": 256}, num_warps=8, num_stages=4),
        triton.Config({"BLOCK_OUT": 64, "COLUMNS": 128}, num_warps=4, num_stages=3),
    ],
    key=["out", "chan_in", "NUM_STEPS", "INTEGER", "TAPS"],
    restore_value=["membrane"],
)(layer)

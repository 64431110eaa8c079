"""The Triton program of `fused`: see there for the mathematics, the tile and its register budget."""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = ["layer"]


@triton.jit
def _scan(z, v, words, current, threshold, STEP: tl.constexpr, STEPS: tl.constexpr, NUM_STEPS: tl.constexpr):
    """Integrate and fire (Eq. 3-6) over the steps STEP .. STEP + STEPS - 1, by halves, each in its turn.

    z holds W s, (BLOCK_OUT, groups, STEPS x 4); v and words are (BLOCK_OUT, groups, 4). The steps of a neuron lie in
    the registers of one thread (see `layer`), so every split is free.
    """
    BLOCK: tl.constexpr = z.shape[0]
    GROUPS: tl.constexpr = z.shape[1]
    if STEP < NUM_STEPS:
        if STEPS == 1:
            v += z + current
            fires = v >= threshold
            v -= tl.where(fires, threshold, 0)
            words |= fires.to(tl.int32) << STEP
        else:
            if STEPS == 2:  # the two are neighbouring columns
                z = tl.reshape(z, (BLOCK, GROUPS, 4, 2))
            else:
                z = tl.permute(tl.reshape(z, (BLOCK, GROUPS, 2, 2 * STEPS)), (0, 1, 3, 2))
            early, late = tl.split(z)
            v, words = _scan(early, v, words, current, threshold, STEP, STEPS // 2, NUM_STEPS)
            v, words = _scan(late, v, words, current, threshold, STEP + STEPS // 2, STEPS // 2, NUM_STEPS)
    return v, words


@triton.jit
def layer(
    words,  # int32, addressed as (batch, height, width, chan_in) by the strides
    high,  # float16 or int8 (taps, outs, chans): the weights, outs and chans padded to whole tiles
    low,  # float16, what `high` left over; not read for int8
    current,  # (outs,), scaled like the weights
    threshold,  # (outs,), likewise
    start,  # (outs,): V[0], likewise
    scale,  # (outs,): 2 ** e, what float weights were multiplied by; not read for int8
    membrane,  # (positions, out): V, read and written when CARRIES
    fired,  # int32 (positions, out)
    positions,  # batch x out_height x out_width
    out,
    chan_in,
    chans,
    outs,
    taps,
    out_height,
    out_width,
    height,
    width,
    word_batch,
    word_height,
    word_width,
    word_chan,
    kernel_width,
    stride_height,
    stride_width,
    pad_height,
    pad_width,
    dilation_height,
    dilation_width,
    NUM_STEPS: tl.constexpr,
    STEPS: tl.constexpr,  # NUM_STEPS rounded up to a power of two, at least 2
    INTEGER: tl.constexpr,
    FRACTION_BITS: tl.constexpr,
    CARRIES: tl.constexpr,
    BLOCK_IN: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """One tile: BLOCK_OUT channels at COLUMNS / STEPS output positions, all steps.

    The product is (BLOCK_OUT, k) x (k, COLUMNS), and the columns are ordered (group, step // 2, position % 4, step % 2).
    In the tensor cores' accumulator, column 8 j + 2 q + i belongs to thread q of 4 and to its register (j, i): so with
    this order a thread holds all the steps of its neurons, and the scan over steps moves nothing between threads.
    """
    BLOCK: tl.constexpr = COLUMNS // STEPS
    GROUPS: tl.constexpr = BLOCK // 4
    HALF: tl.constexpr = STEPS // 2
    tiles = tl.cdiv(out, BLOCK_OUT)
    first_position = (tl.program_id(0) // tiles) * BLOCK  # channel tiles of the same positions run side by side
    first_out = (tl.program_id(0) % tiles) * BLOCK_OUT

    position = first_position + tl.arange(0, BLOCK)
    across = position % out_width
    down = (position // out_width) % out_height
    across = across * stride_width - pad_width
    down = down * stride_height - pad_height
    clip = words + (position // (out_width * out_height)).to(tl.int64) * word_batch
    inside = position < positions

    chan = tl.arange(0, BLOCK_IN)
    channel = first_out + tl.arange(0, BLOCK_OUT)
    rows = channel.to(tl.int64)[:, None] * chans + chan[None, :]
    plane = outs.to(tl.int64) * chans

    step = 2 * tl.arange(0, HALF)[None, :, None, None, None] + tl.arange(0, 2)[None, None, None, :, None]
    z = tl.zeros((BLOCK_OUT, COLUMNS), dtype=tl.int32 if INTEGER else tl.float32)
    chunks = chans // BLOCK_IN
    for index in range(taps * chunks):
        tap = index // chunks
        begin = (index % chunks) * BLOCK_IN
        y = down + (tap // kernel_width) * dilation_height
        x = across + (tap % kernel_width) * dilation_width
        seen = inside & (y >= 0) & (y < height) & (x >= 0) & (x < width)
        at = clip + y.to(tl.int64) * word_height + x.to(tl.int64) * word_width
        word = tl.load(
            at[:, None] + (begin + chan)[None, :].to(tl.int64) * word_chan,
            mask=seen[:, None] & (begin + chan < chan_in)[None, :],
            other=0,
        )
        word = tl.reshape(word, (GROUPS, 1, 4, 1, BLOCK_IN))
        bits = tl.reshape((word >> step) & 1, (COLUMNS, BLOCK_IN))
        at_weight = tap * plane + begin + rows
        if INTEGER:
            z = tl.dot(tl.load(high + at_weight), tl.trans(bits.to(tl.int8)), acc=z, out_dtype=tl.int32)
        else:
            ones = tl.trans((bits * 0x3C00).to(tl.int16).to(tl.float16, bitcast=True))  # 0x3C00 is 1.0
            z = tl.dot(tl.load(high + at_weight), ones, acc=z)
            z = tl.dot(tl.load(low + at_weight), ones, acc=z)

    if INTEGER:
        z = z << FRACTION_BITS
    v = tl.zeros((BLOCK_OUT, GROUPS, 4), dtype=z.dtype) + tl.load(start + channel)[:, None, None]
    spot = first_position + 4 * tl.arange(0, GROUPS)[None, :, None] + tl.arange(0, 4)[None, None, :]
    target = spot.to(tl.int64) * out + channel[:, None, None]
    valid = (spot < positions) & (channel < out)[:, None, None]
    if CARRIES:
        v = tl.load(membrane + target, mask=valid, other=0)
        if not INTEGER:
            v *= tl.load(scale + channel)[:, None, None]
    bias = tl.load(current + channel)[:, None, None]
    theta = tl.load(threshold + channel)[:, None, None]
    train = tl.zeros((BLOCK_OUT, GROUPS, 4), dtype=tl.int32)
    z = tl.reshape(z, (BLOCK_OUT, GROUPS, STEPS * 4))
    v, train = _scan(z, v, train, bias, theta, 0, STEPS, NUM_STEPS)
    tl.store(fired + target, train, mask=valid)
    if CARRIES:
        if not INTEGER:
            v /= tl.load(scale + channel)[:, None, None]
        tl.store(membrane + target, v, mask=valid)

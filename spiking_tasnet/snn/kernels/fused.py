"""Fused simulation on the GPU, in Triton: words in, words out, and no currents in device memory.

One program computes all N_s steps of a tile of neurons: a matrix product of the weights with spikes that it unpacks
from their words in registers, then the integrate-and-fire scan on the product, in the registers it was left in.

The tile. Weights (channels, k) times spikes (k, positions x N_s), k over input channels and taps; with N_s = 32,
64 channels x (8 positions x 32 steps) on 4 warps or 128 x (8 x 32) on 8. The float32 product then takes
64 x 256 / 128 threads = 128 registers a thread, of 255; compiled for Hopper the program takes 184 to 186 (int8: 189 to
211) and spills none. The steps lie along the columns in the order in which the tensor cores spread columns over threads
(see `fused_triton.layer`), so that each thread holds all the steps of 4 neurons. The alternatives cost more, by
estimate: one product a step reads the weights 32 times; masked sums that pick a step out of a tile whose steps lie
across lanes take a third of the product's time; a transposition moves the product through shared memory.

Float32 weights W are the sum of two float16: each output channel is scaled by a power of two that brings its largest
weight to 2**14 .. 2**15, then high = half(W), low = half(W - high). Both multiply the same unpacked spikes into one
float32 accumulator, and current, threshold and membrane are scaled alike, which is exact. What is lost:

- high + low is off by at most one unit in the last place of float32, 2**-23 |W|, and for three weights in four by
  nothing; weights under 2**-15 of the largest of their channel may lose more, at most 2**-39 of that largest one.
- The sum is float32 in another order than the reference's. Tensor cores cut off what they shift out, so
  on a GPU it is slightly less exact than a sum that rounds; `benchmarks.gpu_layer` counts the flips against float64.

int8 weights take one int8 product into int32, exact, and int32 membranes: the reference's spikes, bit for bit.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from spiking_tasnet.snn.kernels.geometry import Geometry
from spiking_tasnet.snn.kernels.neurons import FRACTION_BITS, Neurons
from spiking_tasnet.snn.operators import OPERATORS, Operator
from spiking_tasnet.snn.words import is_packed

__all__ = ["available", "fits", "simulate", "split_weight"]

logger = logging.getLogger(__name__)
OUT_MULTIPLE = 128  # the largest tile of output channels: weights are padded to it, and loaded without masks
LARGEST = 15  # scaled weights stay below 2**15; float16 goes to 65504
SPLIT_AT_A_TIME = 1 << 22  # weights: bounds what splitting takes beside its result
MAX_EXPONENT = 64  # of the scale, so that thresholds x scale stay finite


def available() -> bool:
    """Whether Triton is here and has something to run on: a CUDA device, or its interpreter (TRITON_INTERPRET=1)."""
    triton = _triton()
    return triton is not None and (triton.INTERPRETED or torch.cuda.is_available())


def fits(operator: Operator, code: Tensor, num_steps: int, weight: Tensor) -> bool:
    """Whether this kernel can run the layer: float32 or int8 weights, packed spikes, no groups, Ampere or later."""
    return (
        available()
        and is_packed(code, num_steps)
        and isinstance(operator, OPERATORS)
        and getattr(operator, "groups", 1) == 1
        and getattr(operator, "padding_mode", "zeros") == "zeros"
        and weight.dtype in (torch.float32, torch.int8)
        and weight.device == code.device
        and (_triton().INTERPRETED or _capable(weight.device))
    )


def simulate(
    operator: Operator, code: Tensor, num_steps: int, neurons: Neurons, membrane: Tensor | None = None
) -> Tensor:
    """Spikes of IF neurons behind `operator` (Eq. 3-6); arguments and result as `reference.simulate`.

    Beside input and output it takes the memory of the weights once more, and while it splits them up to 64 MiB; a
    `membrane` whose memory is not channels-last takes a copy.

    Returns:
        int32 words (batch, out, *spatial), a view of channels-last memory.
    """
    geometry = Geometry.of(operator, code.shape)
    words = _frames(operator, code)
    out, positions = len(neurons.weight), geometry.out_frames[0] * geometry.out_frames[1] * geometry.out_frames[2]
    fired = torch.empty(positions, out, dtype=torch.int32, device=words.device)
    view = membrane if membrane is None or isinstance(operator, nn.Linear) else membrane.movedim(1, -1)
    state = None if view is None else view.contiguous()
    if positions:
        with torch.no_grad(), torch.cuda.device(words.device if words.is_cuda else -1):
            _launch(geometry, num_steps, words, neurons, state, fired)
    if view is not None and state is not None and state.data_ptr() != view.data_ptr():
        view.copy_(state)
    if isinstance(operator, nn.Linear):
        return fired.view(*code.shape[:-1], out)
    shape = geometry.out_frames[: neurons.weight.dim() - 1]
    return fired.view(*shape, out).movedim(-1, 1)


def split_weight(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Split float32 weights in two float16, of which the sum is `weight` x `scale` to a unit in the last place.

    Args:
        weight: float32 (out, in, ...).

    Returns:
        high and low, float16, shaped like `weight`; and scale, a power of two for each output, float32 (out,).
    """
    # frexp writes a number as m 2**e with m in [0.5, 1), so |w| < 2**e for the largest weight of an output, and a
    # scale of 2**(LARGEST - e) brings it between 2**(LARGEST - 1) and 2**LARGEST. Scaling by a power of two is exact.
    largest = weight.flatten(1).abs().amax(1)
    exponent = (LARGEST - torch.frexp(largest).exponent).clamp(-MAX_EXPONENT, MAX_EXPONENT)
    scale = torch.ldexp(torch.ones_like(largest), exponent)
    scaled = weight * scale.view(-1, *(1,) * (weight.dim() - 1))
    # float16 keeps 11 of float32's 24 bits. So what `high` leaves over is at most 2**12 units of the weight's last
    # place, which float32 holds exactly. float16 holds whole numbers up to 2**11, and above that every second one up to
    # 2**12: `low` is off by at most one such unit.
    high = scaled.half()
    return high, (scaled - high.float()).half(), scale


def _launch(
    geometry: Geometry,
    num_steps: int,
    words: Tensor,
    neurons: Neurons,
    state: Tensor | None,
    fired: Tensor,
) -> None:
    """Fill `fired`, (positions, out), and go on from `state` in place."""
    weight, current, threshold = neurons[:3]
    triton, integer = _triton(), weight.dtype == torch.int8
    # A tile holds 128 bytes of each row of weights: 128 int8 or 64 float16. Layers with fewer inputs take the next
    # power of two, because a range in Triton has no other length.
    block_in = min(128 if integer else 64, max(32, 1 << (geometry.fan_in - 1).bit_length()))
    initial = neurons.start
    high, low, scale = _tiles(weight, block_in)
    if scale is None:
        scale = threshold  # not read
    else:
        current, threshold, initial = current * scale, threshold * scale, initial * scale
    spare = high.shape[1] - weight.shape[0]
    padded = (nn.functional.pad(values, (0, spare), value=1) for values in (current, threshold, initial, scale))
    (positions, out), (_, height, width) = fired.shape, geometry.frames
    arguments = (
        *(words, high, low, *padded),
        *(fired if state is None else state, fired, positions, out, geometry.fan_in, high.shape[1]),
        *(*geometry.out_frames[1:], height, width, *words.stride()),
        *(*geometry.stride, *geometry.padding, *geometry.dilation),
    )
    constants = {
        "NUM_STEPS": num_steps,
        "STEPS": max(4, 1 << (num_steps - 1).bit_length()),
        "FRACTION_BITS": FRACTION_BITS,
        "INTEGER": integer,
        "CARRIES": state is not None,
        "TAPS": high.shape[0],
        "KERNEL_WIDTH": geometry.kernel[1],
        "CHUNKS": high.shape[2] // block_in,
        "BLOCK_IN": block_in,
    }

    def grid(meta: dict) -> tuple[int]:
        return (-(-positions // (meta["COLUMNS"] // meta["STEPS"])) * -(-out // meta["BLOCK_OUT"]),)

    if triton.INTERPRETED:  # nothing to time: a small tile
        triton.layer[grid](*arguments, **constants, BLOCK_OUT=16, COLUMNS=8 * constants["STEPS"])
    else:
        triton.tuned_layer[grid](*arguments, **constants)


@cache
def _capable(device: torch.device) -> bool:
    """Older tensor cores know no int8, and their registers cannot hold a tile."""
    if device.type != "cuda":
        return False
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (8, 0)


def _frames(operator: Operator, code: Tensor) -> Tensor:
    """View words (batch, chan, *spatial) as (batch, height, width, chan), as `Geometry` counts the frames."""
    if isinstance(operator, nn.Linear):
        return code.reshape(1, -1, 1, code.shape[-1])
    code = code.movedim(1, -1)
    return code.unsqueeze(2) if code.dim() == 3 else code


def _tiles(weight: Tensor, block_in: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """Weights (out, in, *kernel) as the program reads them: high and low, (taps, outs, chans), and their scale, (out,).

    Outputs and inputs are padded with zeros to whole tiles. int8 weights are their own high and low, without a scale.
    """
    out, chan, taps = weight.shape[0], weight.shape[1], weight.shape[2:].numel()
    shape = taps, out + -out % OUT_MULTIPLE, chan + -chan % block_in
    rows = weight.detach().reshape(out, chan, taps)
    if weight.dtype == torch.int8:
        tiles = weight.new_zeros(shape)
        tiles[:, :out, :chan] = rows.permute(2, 0, 1)
        return tiles, tiles, None
    tiles = weight.new_zeros(2, *shape, dtype=torch.half)
    scale = torch.empty(out, dtype=weight.dtype, device=weight.device)
    some = max(1, SPLIT_AT_A_TIME // (chan * taps))
    for first in range(0, out, some):
        part = slice(first, min(out, first + some))
        *halves, scale[part] = split_weight(rows[part])
        for tile, half in zip(tiles, halves, strict=True):
            tile[:, part, :chan] = half.permute(2, 0, 1)
    return tiles[0], tiles[1], scale


@cache
def _triton() -> Any:
    """The Triton programs, or None where Triton is not installed."""
    try:
        from spiking_tasnet.snn.kernels import fused_triton
    except ImportError as error:
        logger.info("no fused kernel: %s", error)
        return None
    return fused_triton

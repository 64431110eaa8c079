"""One spiking layer against the ANN's layer and against other libraries: time, memory, SynOps, flipped trains.

python -m benchmarks.layer [--spikes 3.9 1.0] [--chan 512] [--frames 3199] [--threads 2] [--rounds 9] [--no-peers]

The layer is a dilated convolution of the separator (kernel 3, dilations 1, 16 and 512). Its input has gone through an
encoding layer and `--depth` spiking layers of random He weights before: the encoding layer's bursts alone would flatter
every kernel that follows spikes. All candidates take turns, so that a busy moment hits all of them; a figure is the
median over rounds, averaged over dilations. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.layer_peers import installed
from spiking_tasnet.snn import kernels
from spiking_tasnet.snn.kernels import Neurons, event, reference
from spiking_tasnet.snn.neuron import burst, encode_counts
from spiking_tasnet.snn.operators import apply_operator, fan_out
from spiking_tasnet.snn.spikes import Spikes
from spiking_tasnet.snn.words import unpack_step

NUM_STEPS = 32
DILATIONS = (1, 16, 512)


class Layer(NamedTuple):
    """One layer: its input spikes, the ANN's weight and bias (batch norm folded), and its threshold."""

    spikes: Spikes
    weight: Tensor
    bias: Tensor
    threshold: float

    def floats(self) -> Neurons:
        """The neurons that a kernel simulates."""
        theta = torch.full_like(self.bias, self.threshold)
        return Neurons(self.weight * self.spikes.threshold, self.bias / NUM_STEPS, theta)

    def integers(self, bits: int) -> Neurons:
        """The same with weights of `bits` bits, layer-wise."""
        weight, current, theta, v_init, _ = self.floats()
        lsb = weight.abs().max() / (2 ** (bits - 1) - 1)
        fixed = [(values / lsb * 2**kernels.FRACTION_BITS).round().int() for values in (current, theta)]
        return Neurons((weight / lsb).round().to(torch.int8), *fixed, v_init)


def make_layer(chan: int, frames: int, rate: float, depth: int, seed: int) -> Layer:
    """A layer whose input neurons spike `rate` times on average, `depth` spiking layers behind the encoding."""
    generator = torch.Generator().manual_seed(seed)
    pre = torch.randn(1, chan, frames, generator=generator)
    shift, theta = _level(pre, rate)
    code = burst(encode_counts(torch.relu(pre + shift), torch.tensor(theta), NUM_STEPS), NUM_STEPS)
    spikes = Spikes(None, code, torch.tensor([theta]), NUM_STEPS)
    for index in range(depth + 1):
        operator = dilated(chan, 2**index)
        weight = torch.randn(chan, chan, 3, generator=generator) * (2 / (3 * chan)) ** 0.5
        pre = apply_operator(operator, spikes.value, weight)
        mean, scale = pre.mean((0, 2)), pre.std((0, 2))
        weight = weight / scale.view(-1, 1, 1)  # the batch norm that training would put here, folded
        pre = (pre - mean.view(-1, 1)) / scale.view(-1, 1)
        aim = rate
        sample = Spikes(None, spikes.code[..., :500], spikes.threshold, NUM_STEPS)
        for _ in range(6):  # neurons spike somewhat more often than the analog values say: aim lower
            shift, theta = _level(pre, aim)
            layer = Layer(spikes, weight, shift - mean / scale, theta)
            fired = event.simulate(operator, sample.code, NUM_STEPS, layer.floats())
            aim *= (rate / kernels.count_spikes(fired).double().mean().item()) ** 1.3
        if index < depth:
            code = event.simulate(operator, spikes.code, NUM_STEPS, layer.floats())
            spikes = Spikes(None, code, torch.tensor([theta]), NUM_STEPS)
    return layer


def _level(pre: Tensor, rate: float) -> tuple[float, float]:
    """Shift of the pre-activations, and threshold from their 99.9th percentile, for `rate` spikes per neuron."""
    sample = pre.flatten()[:: max(1, pre.numel() // 50_000)]
    low, high = -6.0, 6.0
    for _ in range(25):
        shift = (low + high) / 2
        activation = torch.relu(sample + shift)
        theta = activation.quantile(0.999).item() / NUM_STEPS
        few = theta == 0 or (activation / theta).clamp_(max=NUM_STEPS).mean() < rate
        low, high = (shift, high) if few else (low, shift)
    return shift, theta


def dilated(chan: int, dilation: int) -> nn.Conv1d:
    """The separator's dilated convolution."""
    return nn.Conv1d(chan, chan, 3, padding=dilation, dilation=dilation).requires_grad_(False)


def candidates(layer: Layer, operator: nn.Conv1d, bits: list[int], peers: bool) -> dict[str, Callable[[], Tensor]]:
    """What is compared, by name; each call simulates (or computes) the whole layer."""
    value, dilation = layer.spikes.value.contiguous(), operator.dilation
    ann = (value, layer.weight, layer.bias, 1, dilation, dilation)
    floats, code = layer.floats(), layer.spikes.code
    runs: dict[str, Callable[[], Tensor]] = {
        "ANN: convolution and ReLU": lambda: F.conv1d(*ann).relu_(),
        "event kernel, float32": lambda: event.simulate(operator, code, NUM_STEPS, floats),
    }
    for width in bits:
        simulate = partial(event.simulate, operator, code, NUM_STEPS, layer.integers(width))
        runs[f"event kernel, {width}-bit weights"] = simulate
    if not peers:
        return runs
    runs["plain PyTorch (reference kernel)"] = lambda: reference.simulate(operator, code, NUM_STEPS, floats)
    train, conv = layer.spikes.train, dilated(operator.in_channels, dilation[0])
    conv.weight.copy_(floats[0])
    conv.bias.copy_(floats[1])
    for name, make in installed():
        run = make(conv, layer.threshold)
        runs[name] = lambda run=run: run(train)
    return runs


def trains_differ(fired: Tensor, layer: Layer, operator: nn.Conv1d) -> float:
    """Share of neurons whose train is not that of a simulation in float64."""
    words = fired if fired.dtype == torch.int32 else sum((s.int() << t) for t, s in enumerate(fired))
    weight, current, theta, _ = (v.double() if isinstance(v, Tensor) else v for v in layer.floats())
    membrane, differs = torch.zeros(words.shape, dtype=torch.float64), torch.zeros(words.shape, dtype=torch.bool)
    for step in range(NUM_STEPS):
        membrane += apply_operator(operator, unpack_step(layer.spikes.code, step, torch.float64), weight, current)
        spike = membrane >= theta.view(-1, 1)
        differs |= spike != unpack_step(words, step, torch.bool)
        membrane -= spike * theta.view(-1, 1)
    return differs.double().mean().item()


def extra_bytes(run: Callable[[], Tensor]) -> int | None:
    """Peak resident memory of a call beyond what was there before it, its result included; None where unknown."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        run()
        return _status("VmHWM") - before
    except (OSError, AttributeError):
        return None


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))


def measure(args: argparse.Namespace, rate: float) -> None:
    """Print one table."""
    layer = make_layer(args.chan, args.frames, rate, args.depth, args.seed)
    operators = [dilated(args.chan, dilation) for dilation in DILATIONS]
    spent: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    extra: dict[str, int | None] = {}
    flips: dict[str, float] = {}
    runs = [candidates(layer, operator, args.bits, args.peers) for operator in operators]
    for number in range(args.rounds):
        for operator, named in zip(operators, runs, strict=True):
            for name, run in named.items():
                if number >= args.slow_rounds and not name.startswith(("ANN", "event")):
                    continue
                began = time.perf_counter()
                run()
                spent[name][operator.dilation[0]].append(1e3 * (time.perf_counter() - began))
    for name, run in runs[0].items():
        extra[name] = extra_bytes(run)
        if not args.flips or "ANN" in name:
            continue
        if "bit" not in name:
            flips[name] = trains_differ(run(), layer, operators[0])
        else:
            integers = layer.integers(int(name.split()[2].split("-")[0]))
            same = torch.equal(run(), reference.simulate(operators[0], layer.spikes.code, NUM_STEPS, integers))
            flips[name] = 0.0 if same else float("nan")
    typical = {name: statistics.mean(map(statistics.median, by.values())) for name, by in spent.items()}
    _print(layer, typical, extra, flips)


def _print(layer: Layer, typical: dict[str, float], extra: dict[str, int | None], flips: dict[str, float]) -> None:
    counts, chan = layer.spikes.counts.double(), layer.weight.shape[0]
    synops = (counts * fan_out(dilated(chan, 1), counts.shape)).sum().item()
    macs = layer.weight.numel() * counts.shape[-1]
    print(
        f"\n{chan} channels, {counts.shape[-1]} frames, N_s = {NUM_STEPS}, {torch.get_num_threads()} threads: ", end=""
    )
    print(f"{counts.mean():.2f} spikes per neuron in, {(counts > 0).double().mean():.0%} of the neurons spike.")
    print(f"SynOps {synops / 1e9:.2f} G, MACs of the ANN {macs / 1e9:.2f} G.\n")
    print("| one layer | ms | x ANN | extra MiB | trains that differ |\n| --- | ---: | ---: | ---: | ---: |")
    ann = typical[next(iter(typical))]
    for name, ms in typical.items():
        memory = "" if extra[name] is None else f"{extra[name] / 2**20:.0f}"
        wrong = f"{flips[name]:.1e}" if flips.get(name) else "none" if name in flips else ""
        print(f"| {name} | {ms:.1f} | {ms / ann:.2f} | {memory} | {wrong} |")


def main() -> None:
    """Print a table for each number of spikes per neuron."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spikes", type=float, nargs="+", default=[3.9, 1.0], help="spikes per neuron in, at most 32")
    parser.add_argument("--bits", type=int, nargs="*", default=[8], help="widths of integer weights, 4 to 8")
    for name, value, text in (
        ("chan", 512, "channels in and out"),
        ("frames", 3199, "frames, 3199 are 4 s at 8 kHz"),
        ("depth", 3, "spiking layers before the one that is timed"),
        ("threads", 2, "of torch and of the event kernel"),
        ("rounds", 9, "of which a median is taken"),
        ("slow-rounds", 3, "of the libraries, which take twenty times as long"),
        ("seed", 0, "of weights and input"),
    ):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{text} (default: {value})")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="time the ANN and the event kernel only")
    parser.add_argument("--no-flips", dest="flips", action="store_false", help="skip the comparison with float64")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with torch.no_grad():
        for rate in args.spikes:
            measure(args, rate)


if __name__ == "__main__":
    main()

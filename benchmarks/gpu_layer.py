"""Time the fused GPU kernel on one layer of the separator, against the ANN's layer and the ways to simulate without it.

python -m benchmarks.gpu_layer [--chan 512] [--frames 3199] [--batch 1] [--dilation 16] [--num-steps 32] [--spikes 3.7]

Rounds are interleaved and medians reported. Work is counted on the useful products, 2 x N_s x MACs of the layer, and
given as a share of the half-precision peak: of the card's data sheet where it is known here, and of what torch's own
half-precision matrix product reaches on this card, in this run. The fused kernel multiplies with two half-precision
weights for one float32, so its tensor cores do twice the useful products; the int8 kernel does them once.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spiking_tasnet.snn.kernels import FRACTION_BITS, Neurons, fused, reference
from spiking_tasnet.snn.neuron import integrate_and_fire
from spiking_tasnet.snn.words import count_bits, pack, unpack_step

SHEET = {"H100": 989e12, "H200": 989e12, "A100": 312e12}  # FLOP/s, dense half precision, of the SXM boards


class Layer(NamedTuple):
    """One spiking layer and its input; fields as the arguments of `reference.simulate`."""

    operator: nn.Conv1d
    code: Tensor
    num_steps: int
    neurons: Neurons

    def train(self) -> Tensor:
        """The input as a dense train, (num_steps, batch, chan, n_frames)."""
        return torch.stack([unpack_step(self.code, step) for step in range(self.num_steps)])


def layer(args: argparse.Namespace, device: str) -> Layer:
    """A dilated convolution with random He weights, theta from the 99.9th percentile of its activations."""
    torch.manual_seed(0)
    operator = nn.Conv1d(args.chan, args.chan, 3, padding=args.dilation, dilation=args.dilation).to(device)
    nn.init.kaiming_normal_(operator.weight, nonlinearity="relu")
    words = torch.zeros(args.batch, args.frames, args.chan, dtype=torch.int32, device=device)
    for step in range(args.num_steps):  # a step at a time: no dense train
        words |= (torch.rand(words.shape, device=device) < args.spikes / args.num_steps).int() << step
    code = words.movedim(-1, 1)
    with torch.no_grad():
        activation = operator(count_bits(code) / args.num_steps).relu().flatten()
    act_max = activation.kthvalue(max(1, int(0.999 * activation.numel()))).values
    threshold = (act_max / args.num_steps).expand(args.chan).contiguous()
    weight = (operator.weight / args.num_steps).detach()
    return Layer(operator, code, args.num_steps, Neurons(weight, operator.bias.detach() / args.num_steps, threshold))


def folded(made: Layer) -> Tensor:
    """The unfused path: all steps folded into the batch of one convolution, then the scan over the currents."""
    operator, train, (weight, current, threshold, v_init, _) = made.operator, made.train(), made.neurons
    z = F.conv1d(train.flatten(0, 1), weight, current, padding=operator.padding, dilation=operator.dilation)
    return pack(integrate_and_fire(z.view(*train.shape[:2], *z.shape[1:]), threshold.view(-1, 1), v_init)[0])


def spikingjelly(made: Layer, backend: str) -> Callable[[], Tensor]:
    """SpikingJelly's multi-step layer, on a train that it is given ready: neither its time nor its memory counts.

    Raises:
        Exception: the library or the backend is not here; whatever it says.
    """
    from spikingjelly.activation_based import functional
    from spikingjelly.activation_based import layer as layers
    from spikingjelly.activation_based import neuron as neurons

    operator = made.operator
    size = operator.in_channels, operator.out_channels, operator.kernel_size[0]
    convolution = layers.Conv1d(*size, padding=operator.padding[0], dilation=operator.dilation[0], step_mode="m")
    convolution = convolution.to(made.neurons.weight.device).requires_grad_(False)
    convolution.weight.copy_(made.neurons.weight)
    convolution.bias.copy_(made.neurons.current)
    fire = neurons.IFNode(float(made.neurons.threshold[0]), None, step_mode="m", backend=backend)
    train = made.train()

    def run() -> Tensor:
        functional.reset_net(fire)
        return fire(convolution(train))

    run()
    return run


def milliseconds(run: Callable[[], object]) -> float:
    """Time of one call on the device, with the L2 cache flushed before it as by other layers."""
    torch.empty(256 << 20, dtype=torch.int8, device="cuda").zero_()
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end)


def peak_bytes(run: Callable[[], object]) -> int:
    """Most memory that a call takes beside what was there, its result included."""
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def ways(made: Layer) -> dict[str, Callable[[], Tensor]]:
    """What is timed: the ANN's layer first, then the simulations."""
    operator, value = made.operator, count_bits(made.code) / made.num_steps
    half, half_value = copy.deepcopy(operator).half(), value.half()
    integers = quantised(made)
    runs = {
        "ANN float32": lambda: operator(value).relu(),
        "ANN half": lambda: half(half_value).relu(),
        "fused": lambda: fused.simulate(*made),
        "fused int8": lambda: fused.simulate(*integers),
        "reference": lambda: reference.simulate(*made),
        "folded": lambda: folded(made),
    }
    for backend in ("cupy", "triton"):
        try:
            runs[f"SpikingJelly {backend}"] = spikingjelly(made, backend)
        except Exception as error:  # each backend fails in its own way where it is not installed
            print(f"SpikingJelly {backend}: not measured ({type(error).__name__}: {error})")
    return runs


def matmul_flops() -> float:
    """FLOP/s of torch's half-precision matrix product, best of ten."""
    size = 8192
    left, right = torch.randn(2, size, size, device="cuda", dtype=torch.half)
    return 2 * size**3 / (min(milliseconds(lambda: left @ right) for _ in range(10)) / 1e3)


def report(made: Layer, rounds: int) -> None:
    """Time, share of the peak and memory of every way, a line each."""
    operator, runs = made.operator, ways(made)
    neurons = runs["ANN float32"]().numel()
    useful = 2 * made.num_steps * neurons * operator.weight[0].numel()
    card, reached = torch.cuda.get_device_name(), matmul_flops()
    sheet = next((peak for name, peak in SHEET.items() if name in card), None)
    print(f"{card}; half precision: torch.matmul {reached / 1e12:.0f} TFLOP/s, data sheet {(sheet or 0) / 1e12:.0f}")
    for run in runs.values():  # compiled and tuned before the clock runs
        run(), run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(milliseconds(run))
    medians = {name: statistics.median(values) for name, values in times.items()}
    memory = {name: peak_bytes(run) for name, run in runs.items()}
    print(f"{'':22}{'ms':>9}{'x ANN':>8}{'x fused':>9}{'% matmul':>10}{'% sheet':>9}{'MiB':>8}{'x fused':>9}")
    for name, spent in medians.items():
        rate = 0 if name.startswith("ANN") else useful / (spent / 1e3)
        shares = f"{100 * rate / reached:10.1f}{100 * rate / sheet if sheet else 0:9.1f}"
        ratios = f"{spent / medians['ANN float32']:8.2f}{spent / medians['fused']:9.2f}"
        more = f"{memory[name] / 2**20:8.0f}{memory[name] / memory['fused']:9.1f}"
        print(f"{name:22}{spent:9.3f}{ratios}{shares}{more}")
    compare(made, runs)


def compare(made: Layer, runs: dict[str, Callable[[], Tensor]]) -> None:
    """Share of the neurons whose trains differ from those in float64, of each way that simulates in float32."""
    doubles = Neurons(*(values.double() for values in made.neurons[:3]), made.neurons.v_init)
    exact = reference.simulate(*made[:3], doubles)
    print(f"{count_bits(exact).float().mean():.2f} spikes per neuron out; trains that differ from float64:")
    for name, run in runs.items():
        if name.startswith("ANN") or name == "fused int8":
            continue
        found = run()
        found = found if found.dtype == torch.int32 else pack(found)
        print(f"{name:22}{(found != exact).double().mean():9.1e}")
    integers = quantised(made)
    differ = (fused.simulate(*integers) != reference.simulate(*integers)).double().mean()
    print(f"{'fused int8':22}{differ:9.1e} from the reference on the same integers: 0 expected")


def quantised(made: Layer) -> Layer:
    """The layer with int8 weights, in fixed point."""
    weight, *rest, v_init, _ = made.neurons
    unit = weight.abs().amax() / 127
    fixed = ((values / unit * 2**FRACTION_BITS).round().int() for values in rest)
    return made._replace(neurons=Neurons((weight / unit).round().to(torch.int8), *fixed, v_init))


def main() -> None:
    """Print a line for each way, then how far the outputs agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = {"chan": 512, "frames": 3199, "batch": 1, "dilation": 16, "num-steps": 32, "rounds": 20}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--spikes", type=float, default=3.7, help="a neuron of the input, mean")
    args = parser.parse_args()
    if not torch.cuda.is_available() or not fused.available():
        sys.exit("benchmarks.gpu_layer needs a CUDA device and Triton; none found, nothing measured")
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # float32 means float32
    print(
        f"{args.batch} x {args.chan} x {args.frames}, kernel 3, dilation {args.dilation}, N_s = {args.num_steps}, "
        f"{args.spikes} spikes per neuron in"
    )
    with torch.no_grad():
        report(layer(args, "cuda"), args.rounds)


if __name__ == "__main__":
    main()

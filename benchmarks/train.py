"""What training costs: a PTL epoch by stage against an ANN epoch, and an ANN's step per second of audio.

python -m benchmarks.train [--batches 8] [--dev-batches 2] [--rounds 3] [--threads 2] [--paper] [--reference]
python -m benchmarks.train --audio [--rounds 3] [--threads 1] [--batch-size 4]

The first compares training steps and validation, interleaved, of a network of the sizes of egs/mini-2mix (--paper:
the paper's) with random weights. --reference also times the last stage on the plain simulation, one dense pass per
step, which is what a library of spiking networks would cost.

--audio times forward, backward and Adam per second of audio, for the paper's network and that of recipes/talkers: by
PyTorch's plain convolutions and by `TasNet`, in float32 and in bfloat16, interleaved.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional as F

from benchmarks.networks import SMALL, mixtures, random_separator
from spiking_tasnet.config import read_config
from spiking_tasnet.memory import keep_freed_memory
from spiking_tasnet.ptl.freeze import below, freeze
from spiking_tasnet.separation.config import Config, ModelConfig
from spiking_tasnet.separation.module import pit_si_sdr
from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.separation.residual import add_residuals
from spiking_tasnet.snn import ConversionSettings, convertible_layers
from spiking_tasnet.snn.compose import execution_order
from spiking_tasnet.snn.conversion import convert_layer

REAL = Path(__file__).parents[1] / "recipes/talkers/conf/real.yaml"


def epoch(network: TasNet, args: argparse.Namespace) -> Callable[[], None]:
    """A function that trains and validates `network` on the batches of an epoch."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer, loss = torch.optim.Adam(trained, lr=1e-5), pit_si_sdr()
    batch = [mixtures(args.batch_size, args.seconds, seed=seed) for seed in (1, 2)]
    sources = torch.stack(batch, dim=1)
    mixture = sources.sum(1)

    def run() -> None:
        for _ in range(args.batches):
            optimizer.zero_grad()
            loss(network(mixture), sources).backward()
            optimizer.step()
        with torch.no_grad():
            for _ in range(args.dev_batches):
                loss(network(mixture), sources)

    return run


def stages(network: TasNet, n_stages: int) -> dict[int, TasNet]:
    """The network in its first, middle and last PTL stage: layers converted, those below frozen."""
    clip = mixtures(1, 2.0)
    with execution_order(network) as order, torch.no_grad():
        network(clip)
    wanted, found = {1, (n_stages + 1) // 2, n_stages}, {}
    for number, name in enumerate(convertible_layers(network), start=1):
        convert_layer(network, name, lambda: network(clip), ConversionSettings(num_steps=32))
        if number in wanted:
            stage = copy.deepcopy(network).train()
            freeze(stage, below(order, name))
            found[number] = stage
    return found


def seconds(run: Callable[[], None]) -> float:
    """Wall clock of one call."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def training_step(network: TasNet, forward: Callable[[torch.Tensor], torch.Tensor], bfloat16: bool, args) -> Callable:
    """A function that does one step on `args.batch_size` segments of `args.seconds`."""
    optimizer, loss = torch.optim.Adam(network.parameters(), lr=1e-5), pit_si_sdr()
    sources = torch.stack([mixtures(args.batch_size, args.seconds, seed=seed) for seed in (1, 2)], dim=1)
    mixture = sources.sum(1)

    def run() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            est_sources = forward(mixture).float()
        loss(est_sources, sources).backward()
        optimizer.step()

    return run


def plain(network: TasNet, mixture: torch.Tensor) -> torch.Tensor:
    """The analog network by PyTorch's own one-dimensional convolutions throughout: what it is measured against."""
    signal = network.pad(mixture).unsqueeze(1)
    encoded = torch.relu(F.conv1d(signal, network.encoder.weight, stride=network.config.stride))
    variance, mean = torch.var_mean(encoded, dim=1, keepdim=True, correction=0)
    x = (encoded - mean) * torch.rsqrt(variance + network.norm.eps) * network.norm.gain + network.norm.bias
    for layer in network.separator:
        x = torch.relu(layer.norm(layer.operator(x)))
    masks = torch.sigmoid(F.conv1d(x, network.mask.weight, network.mask.bias))
    modulated = (masks.unflatten(1, (network.config.n_src, -1)) * encoded.unsqueeze(1)).flatten(0, 1)
    separated = F.conv_transpose1d(modulated, network.decoder.weight, stride=network.config.stride)
    return separated.view(len(mixture), network.config.n_src, -1)[..., : mixture.shape[-1]]


def audio_table(args: argparse.Namespace) -> None:
    """Print ms per second of audio, a row per network, path and precision."""
    keep_freed_memory()
    audio = args.batch_size * args.seconds
    print(f"batches of {args.batch_size} x {args.seconds:g} s, {torch.get_num_threads()} threads")
    print("| network | path | ms per second of audio | x plain convolutions |\n| --- | --- | ---: | ---: |")
    for title, config in (("recipes/talkers", read_config(Config, REAL).model), ("the paper's", ModelConfig())):
        network = random_separator(config).train()
        runs = {}
        for precision, bfloat16 in (("float32", False), ("bfloat16", True)):
            runs[f"plain convolutions, {precision}"] = training_step(network, partial(plain, network), bfloat16, args)
            runs[f"TasNet, {precision}"] = training_step(network, network, bfloat16, args)
        residual = copy.deepcopy(network)
        add_residuals(residual)
        runs["TasNet, residual, bfloat16"] = training_step(residual, residual, True, args)
        spent: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(args.rounds + 1):  # the first warms up
            for name, run in runs.items():
                spent[name].append(seconds(run))
        medians = {name: statistics.median(times[1:]) for name, times in spent.items()}
        for name, median in medians.items():
            before = medians[f"plain convolutions, {name.rsplit(', ', 1)[1]}"]
            print(f"| {title} | {name} | {1e3 * median / audio:.1f} | {median / before:.2f} |")


def main() -> None:
    """Print a row per stage, or a row per path with --audio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=8, help="training batches an epoch")
    parser.add_argument("--dev-batches", type=int, default=2, help="validation batches an epoch")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a segment")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="default: all cores")
    parser.add_argument("--paper", action="store_true", help="the paper's sizes")
    parser.add_argument("--reference", action="store_true", help="also the last stage on the plain simulation")
    parser.add_argument("--audio", action="store_true", help="time an ANN's step per second of audio instead")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.audio:
        audio_table(args)
        return
    ann = random_separator(ModelConfig() if args.paper else SMALL)
    n_stages = len(convertible_layers(ann))
    runs = {"ANN": epoch(copy.deepcopy(ann).train(), args)}
    runs |= {f"PTL stage {n} of {n_stages}": epoch(net, args) for n, net in stages(ann, n_stages).items()}
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(args.rounds):
        for name, run in runs.items():
            spent[name].append(seconds(run))
    medians = {name: statistics.median(times) for name, times in spent.items()}
    if args.reference:
        last = list(runs)[-1]
        os.environ["SPIKING_TASNET_KERNEL"] = "reference"
        medians[f"{last}, plain simulation"] = seconds(runs[last])
    work = f"{args.batches} training, {args.dev_batches} validation batches of {args.batch_size} x {args.seconds:g} s"
    print(f"{work}, {torch.get_num_threads()} threads\n| epoch | s | x ANN |\n| --- | ---: | ---: |")
    for name, median in medians.items():
        print(f"| {name} | {median:.2f} | {median / medians['ANN']:.2f} |")


if __name__ == "__main__":
    main()

"""Real-time factor of the whole separator, ANN and SNN, one clip at a time, interleaved.

python -m benchmarks.separate [--seconds 4] [--rounds 5] [--threads 2] [--small] [--model exp/NAME]

Without --model the network has the paper's sizes and random weights; a trained one may fire more or less.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch

from benchmarks.networks import SMALL, mixtures, random_separator
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import TasNet, load_model
from spiking_tasnet.snn import convert, keep_synapses, record_cost


def both(args: argparse.Namespace) -> dict[str, TasNet]:
    """The ANN and the SNN."""
    if args.model:
        return {name: load_model(args.model / name / "model.pt") for name in ("ann", "snn")}
    config = SMALL if args.small else ModelConfig()
    ann, snn = random_separator(config), random_separator(config)
    convert(snn, lambda: snn(mixtures(1, 2.0, config.sample_rate)), num_steps=32)
    return {"ann": ann, "snn": snn}


def main() -> None:
    """Print a row a network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the clip")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="default: all cores")
    parser.add_argument("--small", action="store_true", help="the sizes of egs/mini-2mix")
    parser.add_argument("--model", type=Path, help="experiment folder with ann/ and snn/")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    networks = both(args)
    config = networks["ann"].config
    for network in networks.values():
        keep_synapses(network)
    clip = mixtures(1, args.seconds, config.sample_rate, seed=1)
    spent: dict[str, list[float]] = {name: [] for name in networks}
    with torch.no_grad():
        with record_cost(networks["snn"]) as costs:
            networks["snn"](clip)
        networks["ann"](clip)
        for _ in range(args.rounds):
            for name, network in networks.items():
                began = time.perf_counter()
                network(clip)
                spent[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times) for name, times in spent.items()}
    fired = [cost for cost in costs.values() if cost.neuron_updates]
    mean = sum(cost.spikes_out for cost in fired) / sum(cost.neurons for cost in fired)
    print(f"{args.seconds:g} s clip, batch 1, {torch.get_num_threads()} threads, {mean:.2f} spikes per neuron")
    print("| network | ms | real-time factor | x ANN |\n| --- | ---: | ---: | ---: |")
    for name, median in medians.items():
        ratio = median / medians["ann"]
        print(f"| {name.upper()} | {median * 1e3:.0f} | {median / args.seconds:.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()

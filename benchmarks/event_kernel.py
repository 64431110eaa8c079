"""Time the event-driven kernel against the reference on one layer of the separator, one run, as a ratio.

python benchmarks/event_kernel.py [--threads 1] [--chan 128] [--frames 1500] [--batch 4]
"""

from __future__ import annotations

import argparse
import os
import time

import torch

from spiking_tasnet.snn import kernels
from spiking_tasnet.snn.spikes import Spikes, pack

NUM_STEPS = 32


def seconds(kernel: str, repeats: int, *arguments: object) -> float:
    """Best of `repeats` runs, wall clock."""
    os.environ["SPIKING_TASNET_KERNEL"] = kernel
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        kernels.simulate(*arguments)
        spent.append(time.perf_counter() - began)
    return min(spent)


def main() -> None:
    """Print one line a firing rate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("threads", 1), ("chan", 128), ("frames", 1500), ("batch", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    operator = torch.nn.Conv1d(args.chan, args.chan, 3, padding=4, dilation=4)
    weight, current = operator.weight.detach() * 0.1, operator.bias.detach() / NUM_STEPS
    threshold = torch.full((args.chan,), 0.2)
    print(f"{args.batch} x {args.chan} x {args.frames}, N_s = {NUM_STEPS}, {args.threads} threads")
    for rate in (0.01, 0.03, 0.1, 0.3):
        train = torch.rand(NUM_STEPS, args.batch, args.chan, args.frames) < rate
        spikes = Spikes(train.float().sum(0) * 0.1, pack(train), torch.full((1,), 0.1), NUM_STEPS)
        layer = (operator, spikes, weight, current, threshold, 0.0)
        event, reference = seconds("event", 5, *layer), seconds("reference", 2, *layer)
        print(f"{rate:4.0%} of steps fire: event {event * 1e3:6.1f} ms, reference {reference / event:5.1f} times that")


if __name__ == "__main__":
    main()

"""Train the ANN."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments shared by `train` and `convert`."""
    parser.add_argument("--config", type=Path, help="YAML of the experiment (default: the paper's settings)")
    parser.add_argument("--data", type=Path, required=True, help="data folder that stage 0 made (holds tr/ and cv/)")
    parser.add_argument("--exp", type=Path, required=True, help="experiment folder; an interrupted run there goes on")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override the YAML, e.g. --set ann.lr=5e-4"
    )
    parser.add_argument("--seed", type=int, help="override the seed of the YAML")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")


def prepare(args: argparse.Namespace):
    """The resolved configuration; also sets the number of threads."""
    import torch

    from spiking_tasnet.separation.config import load_config

    if args.threads:
        torch.set_num_threads(args.threads)
    seed = [] if args.seed is None else [f"seed={args.seed}"]
    return load_config(args.config, [*args.set, *seed])


def run(args: argparse.Namespace) -> None:
    """Train."""
    config = prepare(args)
    from spiking_tasnet.separation.train import train_ann

    print(train_ann(config, args.data, args.exp))

"""Train or convert an image network by one of the methods."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_common(parser: argparse.ArgumentParser) -> None:
    """Arguments that every vision command with a configuration takes."""
    parser.add_argument("--config", type=Path, help="YAML of the experiment (default: the paper's settings)")
    parser.add_argument("--data", type=Path, required=True, help="data folder that stage 0 made")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override the YAML, e.g. --set ann.lr=5e-4"
    )
    parser.add_argument("--seed", type=int, help="override the seed of the YAML")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")


def prepare(args: argparse.Namespace) -> Any:
    """The resolved configuration; also sets the number of threads."""
    import torch

    from spiking_tasnet.config import read_config
    from spiking_tasnet.vision.config import Config

    if args.threads:
        torch.set_num_threads(args.threads)
    seed = [] if args.seed is None else [f"seed={args.seed}"]
    return read_config(Config, args.config, [*args.set, *seed])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from spiking_tasnet.vision.runs import METHODS

    told = "; ".join(f"{method}: {what}" for method, what in METHODS.items())
    parser.add_argument("--method", required=True, choices=METHODS, help=told)
    add_common(parser)
    parser.add_argument("--exp", type=Path, required=True, help="experiment folder; an interrupted run there goes on")


def run(args: argparse.Namespace) -> None:
    """Train."""
    config = prepare(args)
    from spiking_tasnet.vision.runs import run_method

    print(run_method(args.method, config, args.data, args.exp))

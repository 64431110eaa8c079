"""What the commands that read an experiment's configuration have in common."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeVar

Config = TypeVar("Config")
MOST_THREADS = 1024


def add_options(parser: argparse.ArgumentParser, holds: str = "", data_required: bool = True) -> None:
    """Options of the configuration and of the data; `holds` says what of the data folder is read."""
    parser.add_argument("--config", type=Path, help="YAML of the experiment (default: the paper's settings)")
    parser.add_argument("--data", type=Path, required=data_required, help=f"data folder that stage 0 made{holds}")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override the YAML, e.g. --set ann.lr=5e-4"
    )
    parser.add_argument("--seed", type=int, help="override the seed of the YAML")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")


def add_folder(parser: argparse.ArgumentParser) -> None:
    """The folder of a training."""
    parser.add_argument("--exp", type=Path, required=True, help="experiment folder; an interrupted run there goes on")


def prepare(args: argparse.Namespace, kind: type[Config]) -> Config:
    """The resolved configuration of this kind; also sets the number of threads."""
    from spiking_tasnet.config import read_config

    set_threads(args.threads)
    seed = [] if args.seed is None else [f"seed={args.seed}"]
    return read_config(kind, args.config, [*args.set, *seed])


def set_threads(threads: int) -> None:
    """Let torch compute on this many threads; 0 leaves the number as it is.

    Raises:
        ValueError: a number that no computer has.
    """
    import torch

    if not 0 <= threads <= MOST_THREADS:
        raise ValueError(f"--threads {threads} found, 0 (all) to {MOST_THREADS} expected")
    if threads:
        torch.set_num_threads(threads)

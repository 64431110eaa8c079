"""Separate every mixture of a Kaldi data folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.cli.options import add_allow_pipes, add_part, add_subset, read_part
from spiking_tasnet.memory import keep_few_convolutions
from spiking_tasnet.models import NAMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `separate-set`."""
    add_subset(parser, "Kaldi data folder, e.g. data/tt")
    told = f"model.pt, its folder, a packed file, or {NAMES}, which are shipped"
    parser.add_argument("--model", type=Path, required=True, help=told)
    parser.add_argument(
        "--ann", action="store_true", help="of a packed file take the ANN instead of the spiking network"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="gets OUT/s1/<utt>.wav and OUT/s2/<utt>.wav; an interrupted run continues",
    )
    parser.add_argument("--cost", type=Path, help="JSON file to write: operations and energy per second of audio")
    add_allow_pipes(parser)
    add_part(parser, "keeps what the parts separated and writes --cost")


def run(args: argparse.Namespace) -> None:
    """Separate."""
    keep_few_convolutions()
    from spiking_tasnet.separation.separate_set import separate_set

    separate_set(args.subset, args.model, args.out, args.cost, args.allow_pipes, ann=args.ann, part=read_part(args))

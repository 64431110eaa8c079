"""Train the ANN."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.cli.experiment import add_folder, add_options, prepare
from spiking_tasnet.models import NAMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_options(parser, holds=" (holds tr/ and cv/, or talkers/ and cv/)")
    add_folder(parser)
    told = f"ANN of the same sizes to start from, or {NAMES}; a causal network also starts from one that looks ahead"
    parser.add_argument("--init", type=Path, metavar="FILE", help=told)


def run(args: argparse.Namespace) -> None:
    """Train."""
    from spiking_tasnet.separation.config import Config

    config = prepare(args, Config)
    from spiking_tasnet.separation.train import train_ann

    print(train_ann(config, args.data, args.exp, args.init))

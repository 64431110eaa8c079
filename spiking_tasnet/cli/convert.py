"""Convert the trained ANN to spikes by progressive tandem learning."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.cli.experiment import add_folder, add_options, prepare
from spiking_tasnet.models import NAMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_options(parser, holds=" (holds tr/ and cv/, or talkers/ and cv/)")
    add_folder(parser)
    told = f"model.pt of the ANN, or {NAMES} (default: EXP/ann/model.pt)"
    parser.add_argument("--ann", type=Path, metavar="FILE", help=told)


def run(args: argparse.Namespace) -> None:
    """Convert."""
    from spiking_tasnet.separation.config import Config

    config = prepare(args, Config)
    from spiking_tasnet.separation.train import convert_ann

    print(convert_ann(config, args.data, args.exp, args.ann))

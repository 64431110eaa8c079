"""Train or convert an image network by one of the methods."""

from __future__ import annotations

import argparse

from spiking_tasnet.cli.experiment import add_folder, add_options, prepare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from spiking_tasnet.vision.methods import METHODS

    description = "; ".join(f"{key}: {method.description}" for key, method in METHODS.items())
    parser.add_argument("--method", required=True, choices=METHODS, help=description)
    add_options(parser)
    add_folder(parser)


def run(args: argparse.Namespace) -> None:
    """Train."""
    from spiking_tasnet.vision.config import Config

    config = prepare(args, Config)
    from spiking_tasnet.vision.train import run_method

    print(run_method(args.method, config, args.data, args.exp))

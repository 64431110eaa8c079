"""Convert the trained ANN to spikes by progressive tandem learning."""

from __future__ import annotations

import argparse

from spiking_tasnet.cli.experiment import prepare
from spiking_tasnet.cli.train import add_arguments

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> None:
    """Convert."""
    from spiking_tasnet.separation.config import Config

    config = prepare(args, Config)
    from spiking_tasnet.separation.train import convert_ann

    print(convert_ann(config, args.data, args.exp))

"""Convert the trained ANN to spikes by progressive tandem learning."""

from __future__ import annotations

import argparse

from spiking_tasnet.cli.train import add_arguments, prepare

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> None:
    """Convert."""
    config = prepare(args)
    from spiking_tasnet.separation.train import convert_ann

    print(convert_ann(config, args.data, args.exp))

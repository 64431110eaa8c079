"""Stage 5 of a vision recipe."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--data", type=Path, required=True, help="data folder that stage 0 made")
    parser.add_argument("--exp", type=Path, required=True, help="experiment folder, as stages 1 to 4 left it")


def run(args: argparse.Namespace) -> None:
    """Write the report and print the names of its files."""
    from spiking_tasnet.vision.report import write_report

    for path in write_report(args.data, args.exp):
        print(path)

"""`spiking-tasnet report`: stage 5."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.cli.console import say
from spiking_tasnet.cli.options import add_allow_pipes
from spiking_tasnet.paper.published import TABLE4
from spiking_tasnet.separation.report.write import write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--exp", required=True, type=Path, metavar="DIR", help="exp/NAME, as stages 1 to 4 left it")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="data folder that stage 0 made")
    parser.add_argument("--paper", action="store_true", help="add the paper's WSJ0-2mix numbers (Table 4)")
    add_allow_pipes(parser)


def run(args: argparse.Namespace) -> int:
    """Write the report and name its files."""
    for path in write_report(args.exp, args.data, TABLE4 if args.paper else None, args.allow_pipes):
        say(str(path))
    return 0

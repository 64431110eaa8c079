"""Stage 4 of a vision recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.cli.experiment import set_threads


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--data", type=Path, required=True, help="data folder that stage 0 made")
    parser.add_argument("--exp", type=Path, required=True, help="experiment folder, as stages 1 to 3 left it")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")


def run(args: argparse.Namespace) -> None:
    """Test."""
    from spiking_tasnet.vision.evaluate import evaluate_all

    set_threads(args.threads)
    print(evaluate_all(args.data, args.exp))

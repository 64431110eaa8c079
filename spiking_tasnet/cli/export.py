"""Write a converted network to one file for the C runtime."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.models import NAMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export`."""
    parser.description = (
        "Write a spiking separator, from encoder to decoder, to one .stn file (docs/stn_format.md), which "
        "stn-separate, spiking-tasnet stream and the C library read."
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help=f"exp/NAME, its snn folder, a model.pt, {NAMES}")
    parser.add_argument("-o", "--out", type=Path, default=Path("sep.stn"), help="the file (default: sep.stn)")


def run(args: argparse.Namespace) -> int:
    """Export, and say what was written."""
    from spiking_tasnet.cli.console import say
    from spiking_tasnet.files import printable
    from spiking_tasnet.runtime.stn import read_stn, write_stn
    from spiking_tasnet.separation.separator import Separator

    write_stn(args.out, Separator.load(args.model).network)
    sizes = read_stn(args.out).sizes
    say(
        f"{printable(args.out)}: {args.out.stat().st_size / 1e6:.2f} MB, {sizes['sample_rate']} Hz, "
        f"{sizes['n_src']} talkers, N_s = {sizes['num_steps']}"
    )
    return 0

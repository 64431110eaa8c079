"""Write the page that separates recordings in the browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.models import NAMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `page`."""
    parser.description = (
        "Write one HTML file that separates recordings in a browser, from disk and without a network: the runtime as "
        "WebAssembly, the network and the interface are inside it."
    )
    parser.add_argument(
        "model",
        type=Path,
        nargs="?",
        metavar="MODEL",
        help=f"exp/NAME, a model.pt, an .stn file, or {NAMES}, which are shipped (default: talkers, or where that is "
        "not there the newest here)",
    )
    parser.add_argument("-o", "--out", type=Path, default=Path("demo.html"), help="the file (default: demo.html)")
    parser.add_argument("--title", help="heading of the page")
    parser.add_argument(
        "--example", type=Path, metavar="SOUND", help="a recording that visitors can try, put inside it"
    )


def run(args: argparse.Namespace) -> int:
    """Write it, and say what was written."""
    from spiking_tasnet.cli.console import say
    from spiking_tasnet.cli.stn_contents import stn_contents
    from spiking_tasnet.files import printable
    from spiking_tasnet.separation.browser.write import TITLE, write_page

    write_page(args.out, stn_contents(args.model), title=args.title or TITLE, example=args.example)
    say(f"{printable(args.out)}: {args.out.stat().st_size / 1e6:.2f} MB; open it in a browser")
    return 0

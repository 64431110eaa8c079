"""`spiking-tasnet report`: stage 5."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.cli.console import say
from spiking_tasnet.cli.options import add_allow_pipes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--exp", required=True, type=Path, metavar="DIR", help="experiment folder exp/NAME, after stages 1 to 4"
    )
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="data folder that stage 0 made")
    parser.add_argument("--paper", action="store_true", help="add the paper's WSJ0-2mix numbers (Table 4)")
    parser.add_argument(
        "--example",
        action="append",
        default=[],
        metavar="UTT",
        help="id of a mixture to show on the listening page; may be repeated (default: typical mixtures)",
    )
    parser.add_argument(
        "--page",
        type=Path,
        metavar="HTML",
        help="write only the listening page, to this file; of --exp it needs scores/ and separated/",
    )
    parser.add_argument(
        "--link",
        action="store_true",
        help="with --page: write sounds and pictures as files into a folder beside it, instead of into it",
    )
    parser.add_argument(
        "--longest",
        type=float,
        metavar="S",
        help="with --page: choose typical mixtures of at most so many seconds, for small files",
    )
    parser.add_argument("--credit", default="", metavar="TEXT", help="attribution of the recordings, shown on the page")
    add_allow_pipes(parser)


def run(args: argparse.Namespace) -> int:
    """Write the report and name its files."""
    from spiking_tasnet.paper.published import TABLE4
    from spiking_tasnet.separation.report.page import write_page
    from spiking_tasnet.separation.report.results import load_scores
    from spiking_tasnet.separation.report.write import write_report

    for option in ("link", "longest"):
        if getattr(args, option) and not args.page:
            raise ValueError(f"--{option} found without --page, which names the page to write")
    if args.longest is not None and args.example:
        raise ValueError("--longest and --example found, one of them expected")
    look = {"utts": args.example, "credit": args.credit}
    if args.page:
        experiment = load_scores(args.exp)
        look |= {"embedded": not args.link, "longest": args.longest}
        write_page(args.page, experiment, args.data, args.allow_pipes, **look)
        say(str(args.page))
        return 0
    for path in write_report(args.exp, args.data, TABLE4 if args.paper else None, args.allow_pipes, **look):
        say(str(path))
    return 0

"""Options that several commands have."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.part import Part


def add_allow_pipes(parser: argparse.ArgumentParser) -> None:
    """Declare --allow-pipes."""
    parser.add_argument(
        "--allow-pipes",
        action="store_true",
        help="run the commands in an scp (`sph2pipe x.wv1 |`), without a shell; only for data folders that you trust",
    )


def add_part(parser: argparse.ArgumentParser, merge: str) -> None:
    """Declare --part; `merge` says what the command does without it once all parts are done."""
    parser.add_argument(
        "--part",
        metavar="K/N",
        help=f"do every N-th mixture only, the K-th first: one part on each of N machines, with the same paths; the "
        f"command without --part then {merge}",
    )


def read_part(args: argparse.Namespace) -> Part | None:
    """The part that --part names; None for all."""
    return None if args.part is None else Part.read(args.part)


def add_data(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Declare --data of a command that makes the data folder; --data-dir is its former name."""
    _add_renamed(parser, "--data", "--data-dir", "data_dir", help_text)


def add_subset(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Declare --subset, one Kaldi data folder; --data is its former name."""
    _add_renamed(parser, "--subset", "--data", "subset", help_text)


def _add_renamed(parser: argparse.ArgumentParser, name: str, former: str, dest: str, help_text: str) -> None:
    """Declare a folder that must be named; its former name works and is not in --help."""
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument(name, dest=dest, type=Path, metavar="DIR", help=help_text)
    either.add_argument(former, dest=dest, type=Path, metavar="DIR", help=argparse.SUPPRESS)

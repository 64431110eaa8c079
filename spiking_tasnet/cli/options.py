"""Options that several commands have."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_allow_pipes(parser: argparse.ArgumentParser) -> None:
    """Declare --allow-pipes."""
    parser.add_argument(
        "--allow-pipes",
        action="store_true",
        help="run the commands in an scp (`sph2pipe x.wv1 |`), without a shell; only for data folders that you trust",
    )


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

"""Options that several commands have."""

from __future__ import annotations

import argparse


def add_allow_pipes(parser: argparse.ArgumentParser) -> None:
    """Declare --allow-pipes."""
    parser.add_argument(
        "--allow-pipes",
        action="store_true",
        help="run the commands in an scp (`sph2pipe x.wv1 |`), without a shell; only for data folders that you trust",
    )

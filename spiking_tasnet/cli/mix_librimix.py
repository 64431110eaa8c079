"""`spiking-tasnet mix-librimix`: stage 0 by LibriMix's metadata."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.cli.mix import add_common_arguments, read_spec
from spiking_tasnet.cli.options import read_part


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mix-librimix`."""
    parser.add_argument(
        "--librispeech", type=Path, required=True, metavar="DIR", help="folder of dev-clean, ... and SPEAKERS.TXT"
    )
    parser.add_argument("--metadata", type=Path, required=True, metavar="DIR", help="folder of libri2mix_*.csv")
    parser.add_argument(
        "--wham", type=Path, metavar="DIR", help="folder of WHAM's noise (tr, cv, tt): mix and separate with noise"
    )
    parser.add_argument("--train-set", default="train-360", help="train-360 (default) or train-100")
    add_common_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Mix."""
    from spiking_tasnet.separation.corpora.librimix import LibriMixSpec, build_librimix

    build_librimix(read_spec(LibriMixSpec, args), args.jobs, read_part(args))

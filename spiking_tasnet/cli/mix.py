"""`spiking-tasnet mix`: stage 0 by MERL's lists."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from spiking_tasnet.cli.options import add_data, add_part, read_part


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mix`."""
    parser.add_argument(
        "--corpus",
        "--wsj0",
        type=Path,
        required=True,
        metavar="DIR",
        help="corpus root, where the paths in the lists start",
    )
    parser.add_argument(
        "--mix-lists", type=Path, required=True, metavar="DIR", help="folder of mix_2_spk_{tr,cv,tt}.txt"
    )
    parser.add_argument(
        "--activlev",
        type=Path,
        metavar="DIR|none",
        help="folder of activlev_*.txt, published active levels (default: those in --mix-lists or in a folder activlev "
        "beside it); none: measure them by ITU-T P.56, as MERL's script does. They are also measured if none are found",
    )
    parser.add_argument(
        "--spkrinfo", type=Path, metavar="FILE", help="table of the talkers' gender, besides those of the corpus"
    )
    add_common_arguments(parser)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every way of mixing has."""
    add_data(parser, "data folder to make: wav8k/min/... and tr, cv, tt")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="use only the first N lines of each list")
    parser.add_argument(
        "--sample-rate", type=int, default=8000, metavar="HZ", help="sample rate of the mixtures (default 8000)"
    )
    parser.add_argument(
        "--mode", default="min", help="min: cut to the shorter talker (default); max: pad to the longer"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: one per core)")
    add_part(parser, "makes what is missing and writes the data folders")


def read_spec(kind: type, args: argparse.Namespace) -> Any:
    """Make a `kind` (a dataclass) of the arguments that have its fields' names.

    Raises:
        ValueError: a negative --limit.
    """
    if args.limit < 0:
        raise ValueError(f"--limit {args.limit} found, 0 (all) or more expected")
    names = (field.name for field in dataclasses.fields(kind) if hasattr(args, field.name))
    return kind(**{name: getattr(args, name) for name in names})


def run(args: argparse.Namespace) -> None:
    """Mix."""
    from spiking_tasnet.separation.corpora.merl import MerlSpec, build_mixtures

    build_mixtures(read_spec(MerlSpec, args), args.jobs, read_part(args))

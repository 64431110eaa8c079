"""Stage 0 of a vision recipe."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--corpus", required=True, help="mnist, cifar10 or imagenet")
    parser.add_argument("--source", type=Path, metavar="DIR", help="folder of the corpus")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="data folder to make")
    parser.add_argument("--download", action="store_true", help="let torchvision fetch it (mnist, cifar10)")


def run(args: argparse.Namespace) -> None:
    """Make the data folder and print what it holds."""
    from spiking_tasnet.vision.corpora import prepare

    found = prepare(args.corpus, args.source, args.out, args.download)
    print(f"{found.corpus}: {found.counts[0]} training and {found.counts[1]} test images, {len(found.classes)} classes")

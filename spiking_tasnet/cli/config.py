"""Print every setting of an experiment with its default and its meaning, as YAML."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("kind", choices=("separation", "vision"), help="whose settings")


def run(args: argparse.Namespace) -> None:
    """Print them."""
    from spiking_tasnet.config_text import documented_yaml

    if args.kind == "separation":
        from spiking_tasnet.separation.config import Config
    else:
        from spiking_tasnet.vision.config import Config
    print(f"# Settings of a {args.kind} experiment, with defaults. `base: FILE` takes those of another YAML first.\n")
    print(documented_yaml(Config()), end="")

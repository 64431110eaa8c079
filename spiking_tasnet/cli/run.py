"""Run the stages of a recipe; `spiking-tasnet run RECIPE_DIR --help` lists its options. Each run.sh calls this."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("recipe", metavar="RECIPE_DIR", help="folder of the recipe, such as recipes/mnist")
    parser.add_argument("options", nargs=argparse.REMAINDER, metavar="...", help="options of the recipe")


def run(args: argparse.Namespace) -> int:
    """Run them; the exit code is 130 after Ctrl-C, 143 after SIGTERM, or that of the command that failed."""
    from spiking_tasnet.stages.runner import run_recipe

    return run_recipe(args.recipe, args.options)

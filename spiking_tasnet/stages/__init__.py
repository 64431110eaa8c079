"""Numbered stages of a recipe: `spiking-tasnet run RECIPE_DIR --stage N --stop-stage N ...`, which each run.sh calls.

options      options with types, and their --help
recipe       what a recipe is: its stages, their commands, what decides on their results
markers      which stages are done, with which parameters, and what they made
process      one command as a process group of its own, its output on the screen and in a log
signals      Ctrl-C, SIGTERM and SIGHUP, noted while a stage runs
environment  the Python of the commands
runner       order, locks, markers and logs around the commands
separation   stages of a separation recipe
vision       stages of a vision recipe

This package and every `recipe.py` need the standard library only: options and --help are answered at once, by any
Python from 3.10 on, before there is an environment. What a stage computes is a command of its own, such as
`spiking-tasnet train`.
"""

from spiking_tasnet.stages.options import (
    Option,
    existing_file,
    existing_folder,
    existing_folder_or_none,
    folder,
    text,
    whole_number,
)
from spiking_tasnet.stages.recipe import Command, Recipe, Stage
from spiking_tasnet.stages.separation import SeparationRecipe
from spiking_tasnet.stages.vision import DOWNLOAD, FAST, VisionRecipe

__all__ = [
    "DOWNLOAD",
    "FAST",
    "Command",
    "Option",
    "Recipe",
    "SeparationRecipe",
    "Stage",
    "VisionRecipe",
    "existing_file",
    "existing_folder",
    "existing_folder_or_none",
    "folder",
    "text",
    "whole_number",
]

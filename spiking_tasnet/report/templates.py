"""Jinja2 templates beside the module that fills them, with one set of rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def templates_in(folder: Path, **options: Any) -> Environment:
    """The templates of a folder: a name that is not given is an error, and a line with a block only leaves no trace.

    Args:
        folder: that holds them.
        **options: more of `jinja2.Environment`, such as ``autoescape=True`` for HTML.
    """
    return Environment(
        loader=FileSystemLoader(folder), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, **options
    )

"""CSV files of the stages: text that no spreadsheet takes for a formula, and rows read back with plain errors."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")


def write_cell(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would compute, and before one that is there; numbers stay.

    Examples:
        >>> [write_cell(text) for text in ("=1+1", "-inf", "'a", "a")]
        ["'=1+1", '-inf', "''a", 'a']
    """
    return "'" + text if text.startswith(FORMULA_STARTS) and not _is_number(text) else text


def read_cell(text: str) -> str:
    """Return what `write_cell` was given.

    Examples:
        >>> [read_cell(text) for text in ("'=1+1", "-inf", "''a", "a")]
        ['=1+1', '-inf', "'a", 'a']
    """
    return text[1:] if text.startswith("'") else text


def read_rows(
    path: str | os.PathLike, columns: tuple[str, ...], parse: Callable[[dict[str, str]], T], stage: str
) -> list[T]:
    """Read a CSV with a header, and parse each row.

    Args:
        path: the file.
        columns: the header must hold these.
        parse: makes an item of a row; it may raise ValueError.
        stage: that writes the file, for the messages.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not such a CSV; the message names the line and says what to do.
    """
    path = existing(Path(path), stage)
    with open(path, newline="", encoding="utf-8", errors="replace") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
        names = reader.fieldnames or []
    absent = [name for name in columns if name not in names]
    if absent or not rows:
        found = f"no column {absent[0]!r}" if absent else "no line below the header"
        raise ValueError(f"{path}: {found}; delete it and run {stage} again")
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ValueError(f"{path}: line {line} does not have {len(names)} cells; delete it and run {stage} again")
    items = []
    for line, row in enumerate(rows, start=2):
        try:
            items.append(parse(row))
        except ValueError as error:
            raise ValueError(f"{path}: line {line}: {error}; delete it and run {stage} again") from None
    return items


def existing(path: Path, stage: str) -> Path:
    """Return `path` if it is a file.

    Raises:
        FileNotFoundError: it is not; the message names the stage that makes it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; {stage} makes it")
    return path


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

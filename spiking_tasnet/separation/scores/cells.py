"""Text in the cells of a CSV that a spreadsheet must not take for a formula."""

from __future__ import annotations

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")


def write_cell(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would compute, and before one that is there; numbers stay.

    Example:
        >>> [write_cell(text) for text in ("=1+1", "-inf", "'a", "a")]
        ["'=1+1", '-inf', "''a", 'a']
    """
    return "'" + text if text.startswith(FORMULA_STARTS) and not _is_number(text) else text


def read_cell(text: str) -> str:
    """Return what `write_cell` was given.

    Example:
        >>> [read_cell(text) for text in ("'=1+1", "-inf", "''a", "a")]
        ['=1+1', '-inf', "'a", 'a']
    """
    return text[1:] if text.startswith("'") else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

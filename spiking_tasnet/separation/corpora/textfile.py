"""Read text files from any system: with a byte-order mark, in UTF-16, with any line ends."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def read_text(path: str | os.PathLike, strict: bool = True) -> str:
    r"""Read a text file: UTF-8, or what its byte-order mark says. Lines end in `\n`.

    Args:
        path: the file.
        strict: refuse bytes that are no UTF-8; otherwise they are read as �.

    Raises:
        ValueError: bytes that are no text, by line.
    """
    data = Path(path).read_bytes()
    mark, encoding = next(((m, e) for m, e in MARKS.items() if data.startswith(m)), (b"", "utf-8"))
    data = data[len(mark) :]
    try:
        text = data.decode(encoding, "strict" if strict else "replace")
    except UnicodeDecodeError as error:
        line = data[: error.start].decode(encoding, "replace").count("\n") + 1
        raise ValueError(f"{path}: line {line}: bytes that are not UTF-8 found; save the file as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: str | os.PathLike, strict: bool = True) -> list[str]:
    """The lines of `read_text`, without their ends."""
    return read_text(path, strict).split("\n")

"""What commands say: a terminal, file or pipe that takes no more text never costs a result."""

from __future__ import annotations

import sys
from typing import IO

from spiking_tasnet.cli.streams import silence


def say(text: str) -> bool:
    """Write a line to stdout; return whether it could be written."""
    return _write(text, sys.stdout)


def tell(text: str) -> bool:
    """Write a line to stderr; return whether it could be written."""
    return _write(text, sys.stderr)


def one_line(error: BaseException | str) -> str:
    """The words of an error on one line, or the name of its kind where it has none."""
    words = " ".join(str(error).split())
    return words or type(error).__name__


def _write(text: str, stream: IO[str] | None) -> bool:
    if stream is None:  # print() would take stdout instead
        return False
    try:
        stream.write(text + "\n")
        stream.flush()
    except (OSError, ValueError):
        # What is still in the buffer would fail again when the interpreter ends, and change the exit code.
        silence(stream)
        return False
    return getattr(stream, "takes_text", True)

"""Lines for the user; a stdout or stderr that is closed or full never costs a result."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import IO


def say(text: str) -> None:
    """Print a line on stdout."""
    _write(text, sys.stdout)


def warn(text: str) -> None:
    """Print a line on stderr."""
    _write(text, sys.stderr)


def _write(text: str, stream: IO[str] | None) -> None:
    if stream is None:
        return
    try:
        stream.write(text + "\n")
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):  # what is left in its buffer must not fail at exit
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            stream.flush()

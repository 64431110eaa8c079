"""Lines for the user; a stdout or stderr that is closed or full never costs a result."""

from __future__ import annotations

import contextlib
import sys
from typing import IO


def say(text: str) -> None:
    """Print a line on stdout."""
    _write(text, sys.stdout)


def warn(text: str) -> None:
    """Print a line on stderr."""
    _write(text, sys.stderr)


def _write(text: str, stream: IO[str] | None) -> None:
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):
            stream.write(text + "\n")
            stream.flush()

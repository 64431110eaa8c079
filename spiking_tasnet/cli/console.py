"""What commands say: a terminal, file or pipe that takes no more text never costs a result."""

from __future__ import annotations

import contextlib
import os
import sys


def prepare() -> None:
    """Make the standard streams safe to use.

    Closed ones become /dev/null, so that the next file a program opens does not take their place. Names that the
    terminal's encoding lacks are written with backslashes.
    """
    for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                opened = os.open(os.devnull, flags)
                if opened != number:
                    os.dup2(opened, number)
                    os.close(opened)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> bool:
    """Write a line to stdout; return whether it could be written."""
    return _write(text, "stdout", 1)


def tell(text: str) -> bool:
    """Write a line to stderr; return whether it could be written."""
    return _write(text, "stderr", 2)


def one_line(error: BaseException | str) -> str:
    """The words of an error on one line, or the name of its kind where it has none."""
    words = " ".join(str(error).split())
    return words or type(error).__name__


def _write(text: str, name: str, number: int) -> bool:
    stream = getattr(sys, name)
    if stream is None:  # print() would take stdout instead
        return False
    try:
        stream.write(text + "\n")
        stream.flush()
    except (OSError, ValueError):
        # What is still in the buffer would fail again when the interpreter ends, and change the exit code.
        with contextlib.suppress(OSError, ValueError):
            if stream.fileno() == number:
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, number)
                os.close(null)
        return False
    return True

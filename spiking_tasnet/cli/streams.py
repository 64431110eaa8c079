"""Standard output and error of the commands: a stream that fails never costs a result."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

from spiking_tasnet.descriptors import hold_standard_streams


class Lenient:
    """A text stream whose `write` and `flush` never raise; what the encoding lacks is escaped by a backslash.

    Args:
        stream: what is written to; anything else is asked of it. None, where the caller closed it, swallows all.

    Attributes:
        fault: the first error of the stream, None if there was none.
    """

    def __init__(self, stream: IO[str] | None):
        self.stream = stream
        self.fault: Exception | None = None

    def write(self, text: str) -> int:
        """Write what can be written."""
        if self.stream is not None and self.fault is None:
            try:
                self._write(self.stream, text)
            except (OSError, ValueError) as error:  # the latter of a stream closed meanwhile
                self.fault = error
        return len(text)

    def _write(self, stream: IO[str], text: str) -> None:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = getattr(stream, "encoding", None) or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def flush(self) -> None:
        """Flush what can be flushed."""
        if self.stream is not None and self.fault is None:
            try:
                self.stream.flush()
            except (OSError, ValueError) as error:
                self.fault = error

    def isatty(self) -> bool:
        """Whether somebody watches."""
        try:
            return self.stream is not None and self.stream.isatty()
        except ValueError:
            return False

    @property
    def takes_text(self) -> bool:
        """Whether what was written so far could be."""
        return self.stream is not None and self.fault is None

    @property
    def reader_gone(self) -> bool:
        """Whether the other end of a pipe was closed, as `head` does when it has seen enough."""
        return isinstance(self.fault, OSError) and self.fault.errno == errno.EPIPE

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def lenient_streams() -> Iterator[Lenient]:
    """Make stdout and stderr lenient while a command runs; yield the former."""
    hold_standard_streams()
    before = sys.stdout, sys.stderr
    for stream in before:
        with contextlib.suppress(AttributeError, ValueError):  # bytes that are no text, in a name, are escaped too
            getattr(stream, "reconfigure")(errors="backslashreplace")  # noqa: B009
    stdout, stderr = Lenient(before[0]), Lenient(before[1])
    sys.stdout, sys.stderr = stdout, stderr  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield stdout
    finally:
        for lenient in (stdout, stderr):
            lenient.flush()
            if lenient.fault is not None and lenient.stream is not None:
                silence(lenient.stream)
        sys.stdout, sys.stderr = before


def silence(stream: IO[str]) -> None:
    """Let Python's own last flush of a stream that failed go nowhere; it would end with a traceback and code 120."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)

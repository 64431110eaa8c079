"""Drop what libsndfile and libmpg123 print to stdout and stderr about damaged files."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

OUTPUTS = (1, 2)  # descriptors of stdout and stderr
_lock = threading.Lock()
_depth = 0
_kept: dict[int, int] = {}


@contextmanager
def quiet() -> Iterator[None]:
    """Send stdout and stderr to /dev/null during the block. Other threads' output is lost too, so keep it short."""
    global _depth
    with _lock:
        _depth += 1
        if _depth == 1:
            _flush_c()
            _turn_away()
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _flush_c()
                for output, kept in _kept.items():
                    os.dup2(kept, output)
                    os.close(kept)
                _kept.clear()


def _turn_away() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in OUTPUTS:
        with suppress(OSError):  # it may be closed: then there is nothing to keep
            _kept[output] = os.dup(output)
            os.dup2(nowhere, output)
    os.close(nowhere)


def _flush_c() -> None:
    """Write out what C code printed; Python keeps its own in buffers of its own."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).fflush(None)

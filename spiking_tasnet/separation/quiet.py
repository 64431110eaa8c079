"""libmpg123, with which libsndfile reads MP3, writes its complaints to the process's stderr; here it is kept quiet."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

STDERR = 2
_lock = threading.Lock()
_depth, _kept = 0, -1


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """File descriptor 2 leads nowhere meanwhile: what any thread writes there is lost, so keep the block short."""
    global _depth, _kept
    with _lock:
        _depth += 1
        if _depth == 1:
            with suppress(OSError):  # stderr may be closed: then there is nothing to keep
                _kept = os.dup(STDERR)
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, STDERR)
                os.close(nowhere)
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0 and _kept >= 0:
                os.dup2(_kept, STDERR)
                os.close(_kept)
                _kept = -1

"""What goes wrong in a loader process, in one line: torch tells it by a traceback inside a message."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

SHARED = Path("/dev/shm")


@contextlib.contextmanager
def loader_faults() -> Iterator[None]:
    """Explain what loader processes raise in the block.

    Raises:
        ValueError: an item that a loader process could not read, as that process told it.
        OSError: a loader process lacks shared memory, or was killed.
    """
    try:
        yield
    except Exception as error:
        fault = _explained(error)
        if fault is None:
            raise
        raise fault from None


def _explained(error: Exception) -> Exception | None:
    told = str(error)
    if isinstance(error, RuntimeError) and ("Bus error" in told or "shared memory" in told):
        size = f", of {shutil.disk_usage(SHARED).total / 2**20:.1f} MB" if SHARED.is_dir() else ""
        return OSError(
            f"loader processes ran out of shared memory ({SHARED}{size}); give --set data.num_workers=0, or make it "
            "larger (docker: --shm-size)"
        )
    if "in DataLoader worker process" in told:
        kind, _, reason = told.strip().splitlines()[-1].partition(": ")
        if reason and re.fullmatch(r"[\w.]+", kind):
            return ValueError(reason)
    gone = "DataLoader worker" in told and ("killed by signal" in told or "exited unexpectedly" in told)
    if gone or isinstance(error, ConnectionError | EOFError):  # the latter where it dies while it hands over a batch
        return OSError("a loader process was killed, perhaps for want of memory; give a smaller data.num_workers")
    return None

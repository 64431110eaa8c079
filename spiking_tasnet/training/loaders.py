"""What goes wrong in a loader process, in one line: torch tells it by a traceback inside a message."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

SHARED = Path("/dev/shm")


class LoaderTerminated(OSError):
    """A loader process was ended by SIGTERM, and so will this one be, unless somebody picked the process by hand."""


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


@contextlib.contextmanager
def sigterm_to_all() -> Iterator[None]:
    """Let loader processes go in silence when a SIGTERM ends the training: a scheduler sends it to them as well.

    torch raises an error wherever the program is when it hears of their end. Lightning calls the handler that it finds
    besides its own, so it must begin inside.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, of_children = signal.getsignal(signal.SIGTERM), []

    def end(number: int, frame: FrameType | None) -> None:
        of_children.append(signal.signal(signal.SIGCHLD, lambda *_: None))
        if callable(before):
            before(number, frame)
        elif signal.getsignal(signal.SIGTERM) is end and before is signal.SIG_DFL:  # Lightning has not begun
            raise SystemExit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if of_children:
            signal.signal(signal.SIGCHLD, of_children[0])


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
    if "DataLoader worker" in told and "killed by signal: Terminated" in told:
        return LoaderTerminated("a loader process was terminated; run it again")
    gone = "DataLoader worker" in told and ("killed by signal" in told or "exited unexpectedly" in told)
    if gone or isinstance(error, ConnectionError | EOFError):  # the latter where it dies while it hands over a batch
        return OSError("a loader process was killed, perhaps for want of memory; give a smaller data.num_workers")
    return None

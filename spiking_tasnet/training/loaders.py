"""Loader processes that a SIGTERM to the whole job does not end, and what goes wrong in them, in one line."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from torch.utils.data import DataLoader

Batch = TypeVar("Batch", covariant=True)
SHARED = Path("/dev/shm")


class Loader(DataLoader[Batch]):
    """A `DataLoader` whose processes heed a SIGTERM only if it comes from the process that reads them.

    A scheduler sends SIGTERM to every process of a job. When a loader process dies of it, torch raises an error
    wherever the program happens to be; in a destructor it is printed and lost, and a process that dies while it holds a
    lock lets the others hang. So the training ends in order, and its loader processes with it. Should it die, they
    notice.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, worker_init_fn=heed_parent_only, **options)

    def __iter__(self) -> Any:
        """Start the loader processes, SIGTERM blocked from their first moment on."""
        if not hasattr(signal, "sigwaitinfo"):
            return super().__iter__()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            return super().__iter__()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def heed_parent_only(_: int = 0) -> None:
    """Let a thread wait for SIGTERM, and end this process if its parent sent it."""
    if not hasattr(signal, "sigwaitinfo"):  # not on every system
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> None:
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
            pass
        os._exit(0)

    threading.Thread(target=wait, name="sigterm", daemon=True).start()


@contextlib.contextmanager
def loader_faults() -> Iterator[None]:
    """Explain what loader processes raise in the block.

    Raises:
        ValueError: an item that a loader process could not read, with the reason that the process gave.
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
def sigterm_as_exit() -> Iterator[None]:
    """Make a SIGTERM that comes before Lightning listens a `SystemExit` of code 143.

    Lightning calls the handler that it finds besides its own, so it must begin inside.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)

    def end(number: int, frame: FrameType | None) -> None:
        if callable(before):
            before(number, frame)
        elif signal.getsignal(signal.SIGTERM) is end and before is signal.SIG_DFL:
            raise SystemExit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _explained(error: Exception) -> Exception | None:
    message = str(error)
    if isinstance(error, RuntimeError) and ("Bus error" in message or "shared memory" in message):
        size = f", of {shutil.disk_usage(SHARED).total / 2**20:.1f} MB" if SHARED.is_dir() else ""
        return OSError(
            f"loader processes ran out of shared memory ({SHARED}{size}); give --set data.num_workers=0, or make it "
            "larger (docker: --shm-size)"
        )
    if "in DataLoader worker process" in message:
        kind, _, reason = message.strip().splitlines()[-1].partition(": ")
        if reason and re.fullmatch(r"[\w.]+", kind):
            return ValueError(reason)
    gone = "DataLoader worker" in message and ("killed by signal" in message or "exited unexpectedly" in message)
    if gone or isinstance(error, ConnectionError | EOFError):  # the latter where it dies while it hands over a batch
        return OSError("a loader process was killed, perhaps for want of memory; give a smaller data.num_workers")
    return None

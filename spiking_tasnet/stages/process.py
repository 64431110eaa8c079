"""One command as a process group of its own: what it prints goes to the screen and to a log, and it ends as a whole."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from spiking_tasnet.stages.signals import Signals

GRACE = 5.0  # seconds a command has to end after an interrupt, or its children after it; then they are killed
CHUNK = 65536  # bytes
PR_SET_PDEATHSIG = 1


class Tee:
    """Standard output and a log; a side that takes no more is left out.

    Args:
        path: of the log, which is added to.
    """

    def __init__(self, path: Path) -> None:
        self._log: BinaryIO | None = open(path, "ab", buffering=0)
        self.pending = b""  # not on the screen yet
        self.screen = True

    def add(self, data: bytes) -> None:
        """Write to the log, and remember for the screen."""
        if self._log is not None:
            try:
                self._log.write(data)
            except OSError:
                self.close()
        if self.screen:
            self.pending += data

    def show(self) -> None:
        """Write some of what is pending to the screen; it does not block where `select` found that it takes bytes."""
        try:
            self.pending = self.pending[os.write(1, self.pending[: select.PIPE_BUF]) :]
        except OSError:
            self.screen, self.pending = False, b""

    def line(self, text: str) -> None:
        """Write a line to both."""
        self.add(os.fsencode(text) + b"\n")
        while self.pending:
            self.show()

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()
            self._log = None


def run_command(
    words: Sequence[str],
    signals: Signals,
    tee: Tee | None = None,
    keep: Sequence[int] = (),
) -> int:
    """Run a command to its end, or interrupt it when a signal comes; nothing of it is left behind.

    Args:
        words: program and arguments.
        signals: noted meanwhile.
        tee: gets what it prints; None lets it print where we do.
        keep: file descriptors that it inherits, such as locks that shall outlive us as long as it runs.

    Returns:
        Its exit code, as a shell gives it: 128 + number where a signal ended it.

    Raises:
        OSError: there is no such program.
    """
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=None if tee is None else subprocess.PIPE,
        stderr=None if tee is None else subprocess.STDOUT,
        start_new_session=True,
        pass_fds=keep,
        preexec_fn=_child_of(os.getpid()),
    )
    pipe = process.stdout.fileno() if process.stdout is not None else None
    deadline: float | None = None
    interrupted = False
    while True:
        if signals.received is not None and not interrupted:
            interrupted, deadline = True, time.monotonic() + GRACE
            _kill(process.pid, signal.SIGINT)  # Python ends in order, loaders and all
        ended = process.poll() is not None
        if ended and deadline is None:
            deadline = time.monotonic() + GRACE  # for children that still print
        if ended and pipe is None and not (tee and tee.pending) and not (interrupted and _alive(process.pid)):
            break
        if deadline is not None and time.monotonic() > deadline:
            _kill(process.pid, signal.SIGKILL)
            process.wait()
            break
        pipe = _pass_on(pipe, tee, signals, 0.05 if ended or pipe is None else 0.5)
    if process.stdout is not None:
        process.stdout.close()
    _kill(process.pid, signal.SIGKILL)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _pass_on(pipe: int | None, tee: Tee | None, signals: Signals, seconds: float) -> int | None:
    """Wait for bytes from the command, for a signal or some time; return None when the command prints no more."""
    pending = tee is not None and bool(tee.pending)
    reading = [signals.wake] if pending or pipe is None else [signals.wake, pipe]
    readable, writable, _ = select.select(reading, [1] if pending else [], [], seconds)
    if signals.wake in readable:
        signals.clear()
    if tee is not None and writable:
        tee.show()
    if tee is None or pipe is None or pipe not in readable:
        return pipe
    data = os.read(pipe, CHUNK)
    tee.add(data)
    return pipe if data else None


def _child_of(parent: int) -> Callable[[], None]:
    """What the new process does first: be interruptible, and be interrupted when `parent` dies, even by SIGKILL."""
    prctl: Callable[..., int] | None = None
    with contextlib.suppress(ImportError, OSError, AttributeError):  # Linux only
        import ctypes

        prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores it
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, int(signal.SIGINT))
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _kill(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)

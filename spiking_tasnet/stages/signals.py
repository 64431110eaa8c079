"""Ctrl-C, SIGTERM and SIGHUP while stages run: noted, never an exception in the middle of something."""

from __future__ import annotations

import os
import signal
from types import FrameType

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Notes the first signal; `wake` is a file descriptor that `select` finds readable when one has come.

    A signal that the parent ignores, as a shell does for its background jobs, stays ignored.

    Attributes:
        received: number of the first signal; None until one comes.
    """

    def __init__(self) -> None:
        self.received: int | None = None

    def __enter__(self) -> Signals:
        self.wake, self._write = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(self._write, False)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._before = {
            number: signal.signal(number, self._note)
            for number in HANDLED
            if signal.getsignal(number) not in (signal.SIG_IGN, None)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self.wake)
        os.close(self._write)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received is None:
            self.received = number

    def clear(self) -> None:
        """Make `wake` unreadable again."""
        try:
            while os.read(self.wake, 4096):
                pass
        except BlockingIOError:
            pass

"""Ctrl-C and SIGTERM end a command at once, with nothing half-written and the exit code the shell expects."""

from __future__ import annotations

import signal
import threading

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class Interrupts:
    """While the block runs, SIGINT raises KeyboardInterrupt and SIGTERM raises SystemExit(143).

    A library that is just being loaded may turn the exception into one of its own, and Python drops it in a
    destructor. So what came is kept, `check` raises it again, and so does the end of the block.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) is usual:  # a parent that ignores it, or a program around us, knows why
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if kind is not None and issubclass(kind, Exception):
            self.check()

    def _receive(self, number: int, _: object) -> None:
        self.received = number
        self.check()

    def check(self) -> None:
        """Raise what was received, if anything was."""
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        if self.received == signal.SIGTERM:
            raise SystemExit(TERMINATED)

"""Ctrl-C and SIGTERM end a command at once, with nothing half-written and the exit code the shell expects."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from spiking_tasnet.cli.console import tell

TERMINATED = 128 + signal.SIGTERM


class Interrupts:
    """While the block runs, SIGINT raises KeyboardInterrupt and SIGTERM raises SystemExit(143).

    Python drops an exception in a destructor, and a library may turn it into one of its own. So what came is kept,
    `check` raises it again, and so does the end of the block.

    Args:
        name: of the command, which says that it was terminated.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.received: int | None = None
        self._loading = False
        self._before: dict[int, Any] = {}  # handlers by signal

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            # A parent that ignores a signal, and a program around us that handles SIGTERM, know why.
            if signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, signal.SIG_DFL, None):
                self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._receive)
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._receive)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if kind is None:
            return
        if self.received == signal.SIGTERM:
            tell(f"{self.name}: terminated")
        if issubclass(kind, Exception):
            self.check()

    def _receive(self, number: int, _: object) -> None:
        self.received = number
        if not self._loading:
            self.check()

    @contextmanager
    def loading(self) -> Iterator[None]:
        """While the block imports modules, wait: an exception inside PyTorch's C++ start aborts the process."""
        self._loading = True
        try:
            yield
        finally:
            self._loading = False
        self.check()

    def check(self) -> None:
        """Raise what was received, if anything was."""
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        if self.received == signal.SIGTERM:
            raise SystemExit(TERMINATED)

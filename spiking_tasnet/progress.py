"""Progress of a long command: a bar on a terminal, a line now and then in a file or a pipe."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import IO, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
LINE_SECONDS = 60.0  # without a terminal: at most this long between two lines
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} {unit} [{elapsed}<{remaining}]"


class Progress:
    """Shows how far a command is; a display that fails never costs a result.

    On a terminal this is tqdm's bar. Elsewhere it writes one line at each tenth of the total, or each minute where a
    tenth takes longer, and nothing for work that ends within a second.

    Args:
        total: units of work; progress is clamped to it.
        desc: what is being done.
        unit: of `total`, e.g. ``mixture`` or ``s of audio``.
        stream: where to write; None for stderr.

    Examples:
        >>> with Progress(2, "score", "mixture", stream=sys.stdout) as progress:
        ...     progress.update(1)
    """

    def __init__(self, total: float, desc: str, unit: str, stream: IO[str] | None = None):
        self.total, self.desc, self.unit, self.done = max(float(total), 0.0), desc, unit, 0.0
        self.stream = stream if stream is not None else sys.stderr
        self._began = self._told_at = time.monotonic()
        self._tenths, self._bar = 0, None
        with contextlib.suppress(Exception):
            if self.stream is not None and self.stream.isatty() and self.total:
                self._bar = tqdm(
                    total=self.total,
                    desc=desc,
                    unit=unit,
                    file=self.stream,
                    bar_format=BAR,
                    dynamic_ncols=True,
                    leave=False,
                )

    def update(self, amount: float = 1) -> None:
        """Add `amount` units of work."""
        before, self.done = self.done, min(self.done + max(float(amount), 0.0), self.total)
        with contextlib.suppress(Exception):
            if self._bar is not None:
                self._bar.update(self.done - before)
            else:
                self._tell()

    def _tell(self) -> None:
        now, tenths = time.monotonic(), int(10 * self.done / self.total + 1e-9) if self.total else 0
        due = tenths > self._tenths or now - self._told_at >= LINE_SECONDS
        if not due or now - self._began < 1 or self.stream is None:
            return
        self._tenths, self._told_at = tenths, now
        remaining = (now - self._began) * (self.total - self.done) / max(self.done, 1e-9)
        self.stream.write(
            f"{self.desc}: {100 * self.done / self.total:.0f} %, {self.done:.0f} of {self.total:.0f} {self.unit}, "
            f"{now - self._began:.0f} s, about {remaining:.0f} s left\n"
        )
        self.stream.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            if self._bar is not None:
                self._bar.close()


def track(items: Iterable[Item], total: float, desc: str, unit: str) -> Iterator[Item]:
    """Yield `items`, showing progress; one unit of `total` for each."""
    with Progress(total, desc, unit) as progress:
        for item in items:
            yield item
            progress.update()

"""Work of the compiled kernel on all cores: ctypes releases the interpreter's lock while it runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import torch

MIN_WORK = 1 << 18  # least weights x frames for which a second thread gives more than it costs
PARTS = 4  # the share of a thread is cut in so many: a core that is busy otherwise takes fewer


def spread(
    call: Callable[..., int | None],
    before: Sequence[Any],
    span: tuple[int, int],
    after: Sequence[Any],
    work: int = MIN_WORK,
) -> None:
    """Call `call(*before, begin, end, *after)` on equal parts of `span`, on as many threads as torch may use.

    Args:
        call: function of the library; what it returns is 0 or None unless it failed.
        before: its arguments before the part.
        span: (first, last) of the whole.
        after: its arguments behind the part.
        work: weights that one unit of the span reads, by which it is judged whether threads pay.

    Raises:
        MemoryError: a call failed, which it does only when the kernel's buffers cannot be had.
    """
    first, total = span[0], span[1] - span[0]
    threads = max(1, min(torch.get_num_threads(), total, total * work // MIN_WORK))
    parts = 1 if threads == 1 else min(threads * PARTS, total)
    edges = [first + total * part // parts for part in range(parts + 1)]
    run = map if threads == 1 else _pool(threads, os.getpid()).map
    if any(list(run(lambda begin, end: call(*before, begin, end, *after), edges[:-1], edges[1:]))):
        raise MemoryError("no memory for the event-driven kernel's lists: use a smaller batch")


@cache
def _pool(threads: int, pid: int) -> ThreadPoolExecutor:
    """Threads of this process; a forked child makes its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix="event")

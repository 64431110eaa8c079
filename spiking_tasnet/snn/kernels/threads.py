"""Work of the compiled kernel on all cores: on the threads of OpenMP, which are PyTorch's own where both load it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch

MIN_WORK = 1 << 18  # least weights x frames for which a second thread gives more than it costs: it has to be woken
_process = os.getpid()


def run_threaded(
    call: Callable[..., int], before: Sequence[Any], span: tuple[int, int], after: Sequence[Any], work: int
) -> None:
    """Call `call(*before, *span, threads, *after)`, on as many threads as torch may use and as pay.

    Args:
        call: function of the library, which cuts the span in parts itself.
        before: its arguments before the span.
        span: (first, last).
        after: its arguments behind the number of threads.
        work: weights that one unit of the span reads, by which it is judged whether threads pay.

    Raises:
        MemoryError: the call failed, which it does only when the kernel's buffers cannot be had.
    """
    total = span[1] - span[0]
    threads = max(1, min(torch.get_num_threads(), total, total * work // MIN_WORK))
    if os.getpid() != _process:  # a forked child has none of OpenMP's threads, which would be waited for
        threads = 1
    if call(*before, *span, threads, *after):
        raise MemoryError("no memory for the event-driven kernel's lists: use a smaller batch")

"""A function over many items on all cores, with a progress bar, results in the order of the items."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

from threadpoolctl import threadpool_limits
from tqdm import tqdm


def parallel_map(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    jobs: int | None = None,
    *,
    desc: str,
    unit: str,
    prepare: Callable[[], None] | None = None,
) -> list[Any]:
    """Apply `function` to every item.

    Args:
        function: picklable; an error it raises is raised here and ends the rest.
        items: its arguments.
        jobs: processes; None for one a core, 1 stays in this process.
        desc: of the progress bar.
        unit: of the progress bar.
        prepare: called once in each new process, e.g. to import what takes long.

    Raises:
        ValueError: `jobs` below 1.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"--jobs {jobs} found, 1 or more expected")
    jobs = min(jobs or available_cores(), len(items))
    progress = partial(tqdm, total=len(items), desc=desc, unit=unit, dynamic_ncols=True)
    if jobs <= 1:
        with threadpool_limits(1):
            return list(progress(map(function, items)))
    # 'spawn': a forked child may inherit locks that the threads of torch hold.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker, initargs=(function, prepare))
    try:
        return list(progress(pool.map(function, items, chunksize=max(1, min(16, len(items) // (4 * jobs))))))
    finally:
        pool.shutdown(cancel_futures=True)


def available_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker(function: Callable[[Any], Any], prepare: Callable[[], None] | None) -> None:
    """Leave interrupts to the parent, end with it, and leave libraries one thread: the processes fill the cores.

    `function` is an argument so that the libraries it imports are loaded when their threads are limited.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if prepare:
        prepare()
    threadpool_limits(1)


def _end_with_parent() -> None:
    """A parent that is killed cannot stop its processes: they would wait for its next item for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

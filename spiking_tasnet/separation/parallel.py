"""Apply a function to many items on all cores, with progress; if a process dies, only its current item is lost."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from threadpoolctl import threadpool_limits

from spiking_tasnet.descriptors import hold_standard_streams
from spiking_tasnet.progress import track

Results = Generator[tuple[int, Any], None, None]  # index of an item and its result

STARTED = -1  # what a new process sends in an index's place
GRACE_SECONDS = 10.0  # for the item at hand when the others are given up


@dataclass(frozen=True)
class Died:
    """Stands for the result of an item at which its process died.

    Attributes:
        exit_code: of the process; minus the signal's number where one ended it.
    """

    exit_code: int

    def __str__(self) -> str:
        name = signal.Signals(-self.exit_code).name if -self.exit_code in set(signal.Signals) else ""
        if name == "SIGKILL":
            return "its process was killed (SIGKILL); if memory ran out, give a smaller --jobs"
        return f"its process died ({name or f'exit code {self.exit_code}'})"


@dataclass
class _Worker:
    """One process and what it was given.

    Attributes:
        process: the process.
        connection: our end of its pipe.
        due: indices sent to it that have no result yet, the one at work first.
        started: whether it was ready for items.
    """

    process: Any
    connection: Connection
    due: deque[int] = field(default_factory=deque)
    started: bool = False


def parallel_map(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    jobs: int | None = None,
    *,
    desc: str,
    unit: str,
    prepare: Callable[[], None] | None = None,
    name: Callable[[Any], str] = str,
) -> list[Any]:
    """Apply `function` to every item; results in the order of the items.

    Args:
        function: picklable; an error it raises is raised here and ends the rest.
        items: its arguments.
        jobs: processes; None for one per core, 1 stays in this process.
        desc: what is being done, for the display.
        unit: one item, for the display.
        prepare: called once in each new process, e.g. to import what takes long.
        name: what to call an item in an error.

    Raises:
        ValueError: `jobs` below 1.
        OSError: a process died or could not be started, or memory ran out; the message names the item.
    """
    results: list[Any] = [None] * len(items)
    for index, result in parallel_results(function, items, jobs, desc=desc, unit=unit, prepare=prepare):
        if isinstance(result, Died):
            raise OSError(f"{name(items[index])[:200]}: {result}")
        if isinstance(result, MemoryError):
            raise OSError(f"{name(items[index])[:200]}: out of memory; give a smaller --jobs")
        if isinstance(result, Exception):
            raise result
        results[index] = result
    return results


def parallel_results(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    jobs: int | None = None,
    *,
    desc: str,
    unit: str,
    prepare: Callable[[], None] | None = None,
) -> Iterator[tuple[int, Any]]:
    """Apply `function` to every item and yield (index, result) as they come.

    The result of an item that failed is the exception that `function` raised, that of an item at which its process
    died a `Died`; the others are done all the same. Arguments as `parallel_map`.

    Raises:
        ValueError: `jobs` below 1.
        OSError: a process could not be started.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"--jobs {jobs} found, 1 or more expected")
    jobs = min(jobs or available_cores(), len(items))
    results = _in_this_process(function, items) if jobs <= 1 else _in_processes(function, items, jobs, prepare)
    with contextlib.closing(results):
        yield from track(results, len(items), desc, unit)


def available_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_this_process(function: Callable[[Any], Any], items: Sequence[Any]) -> Results:
    with threadpool_limits(1):
        for index, item in enumerate(items):
            yield index, _outcome(function, item)


def _in_processes(
    function: Callable[[Any], Any], items: Sequence[Any], jobs: int, prepare: Callable[[], None] | None
) -> Results:
    """The items in chunks, so that neighbours meet in one process, over `jobs` processes.

    Each has a pipe of its own: it is known which item a dead one was at, and no semaphore (/dev/shm) is needed.
    """
    hold_standard_streams()
    size = max(1, min(16, len(items) // (4 * jobs)))
    chunks = deque(list(range(start, min(start + size, len(items)))) for start in range(0, len(items), size))
    workers: list[_Worker] = []
    try:
        workers += [_start(function, prepare) for _ in range(jobs)]
        while workers:
            ready = set(wait([worker.connection for worker in workers]))
            for worker in [worker for worker in workers if worker.connection in ready]:
                message = _receive(worker)
                if message is not None:
                    index, result = message
                    if index != STARTED:
                        worker.due.popleft()
                        yield index, result
                    worker.started = True
                    if not worker.due and not _give(worker, chunks, items):
                        _dismiss(workers, worker)
                    continue
                _dismiss(workers, worker)
                died = Died(worker.process.exitcode)
                if not worker.started:
                    raise OSError(f"a new process ended before its first item: {died}")
                if worker.due:
                    yield worker.due.popleft(), died
                if worker.due:
                    chunks.appendleft(list(worker.due))
                if chunks:
                    workers.append(_start(function, prepare))
    finally:
        _end(workers)


def _start(function: Callable[[Any], Any], prepare: Callable[[], None] | None) -> _Worker:
    # 'spawn': a forked child may inherit locks that the threads of torch hold.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(function, prepare, theirs), daemon=True)
    try:
        process.start()
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return _Worker(process, ours)


def _receive(worker: _Worker) -> tuple[int, Any] | None:
    """Return the next result, or None where the process ended."""
    try:
        return worker.connection.recv()
    except (EOFError, OSError):
        return None


def _give(worker: _Worker, chunks: deque[list[int]], items: Sequence[Any]) -> bool:
    """Give a process its next chunk; say whether there was one."""
    if not chunks:
        return False
    chunk = chunks.popleft()
    worker.due.extend(chunk)
    with contextlib.suppress(BrokenPipeError, ConnectionError):  # it died: the next wait tells
        worker.connection.send([(index, items[index]) for index in chunk])
    return True


def _dismiss(workers: list[_Worker], worker: _Worker) -> None:
    """Let one process end, which it does when its pipe closes."""
    workers.remove(worker)
    worker.connection.close()
    worker.process.join()


def _end(workers: list[_Worker]) -> None:
    """End all processes, after the item each is at."""
    for worker in workers:
        worker.connection.close()
    for worker in workers:
        worker.process.join(GRACE_SECONDS)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _work(function: Callable[[Any], Any], prepare: Callable[[], None] | None, connection: Connection) -> None:
    """What a process does: leave interrupts to the parent, end with it, leave libraries one thread, do items.

    `function` is an argument so that the libraries it imports are loaded when their threads are limited.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if prepare:
        prepare()
    threadpool_limits(1)
    with contextlib.suppress(EOFError, OSError):  # the pipe closed: nothing is wanted any more
        connection.send((STARTED, None))
        while True:
            for index, item in connection.recv():
                result = _outcome(function, item)
                try:
                    connection.send((index, result))
                except OSError:
                    raise
                except Exception as error:  # what cannot be pickled
                    connection.send((index, RuntimeError(f"{result!r:.200} cannot be sent ({error})")))


def _outcome(function: Callable[[Any], Any], item: Any) -> Any:
    try:
        return function(item)
    except Exception as error:
        # The traceback itself does not go from process to process. (`add_note` needs Python 3.11.)
        setattr(error, "__notes__", [traceback.format_exc()])  # noqa: B010
        return error


def _end_with_parent() -> None:
    """A parent that is killed cannot stop its processes: they would wait for its next item for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

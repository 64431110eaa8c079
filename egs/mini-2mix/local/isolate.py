"""Run each task in a fresh process: whatever a C library remembers dies with the task."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess


def run_isolated(function: Callable, tasks: Sequence[tuple], jobs: int, preload: Sequence[str] = ()) -> Iterator:
    """Call `function(*task)` for each task, each in a process of its own, `jobs` at a time.

    Args:
        function: importable by name.
        tasks: arguments of the calls.
        jobs: how many processes run at once.
        preload: modules that are imported once, before the processes are forked (where the system can).

    Yields:
        What the calls return, in the order in which they end.

    Raises:
        Exception: what a call raised; the other processes are ended first.
        ChildProcessError: a process died without a word (killed, out of memory).
    """
    context = _context(preload)
    waiting = list(reversed(tasks))
    running: dict[Connection, BaseProcess] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                task = waiting.pop()
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_call, args=(sender, function, task), daemon=True)
                process.start()
                sender.close()
                running[receiver] = process
            for receiver in wait(list(running)):
                process = running.pop(receiver)
                try:
                    value, error = receiver.recv()
                except EOFError:
                    process.join()
                    raise ChildProcessError(
                        f"a process of {function.__name__} died (exit code {process.exitcode}), perhaps for lack of "
                        "memory; run the same command again, it goes on where it stopped"
                    ) from None
                process.join()
                if error is not None:
                    raise error
                yield value
    finally:
        for process in running.values():
            process.terminate()
            process.join()


def _context(preload: Sequence[str]):
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def _call(sender: Connection, function: Callable, task: tuple) -> None:
    try:
        message = (function(*task), None)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # an error that does not travel
            error = RuntimeError(repr(error))
        message = (None, error)
    sender.send(message)

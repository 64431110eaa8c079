"""Items over processes: order, errors, threads, and processes that die."""

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import toeplitz
from threadpoolctl import threadpool_info

from spiking_tasnet.separation.parallel import Died, parallel_map, parallel_results


def square(number):
    if number < 0:
        raise ValueError(f"{number} found, 0 or more expected")
    return number * number


def threads(_):
    assert np.isfinite(toeplitz([1.0, 2.0])).all()
    return [library["num_threads"] for library in threadpool_info()]


def die_at_seven(number):
    if number == 7:
        os.kill(os.getpid(), 9)
    return number


def out_of_memory_at_three(number):
    if number == 3:
        raise MemoryError
    return number


def wait_for(path):
    """The first item of two waits until the test has seen the second."""
    while path and not Path(path).exists():
        time.sleep(0.01)
    return path


def no_lambda(_):
    return lambda: None


def cannot_start():
    os._exit(5)


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_the_order_of_the_items(jobs):
    assert parallel_map(square, list(range(50)), jobs, desc="", unit="") == [n * n for n in range(50)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_is_raised_here(jobs):
    with pytest.raises(ValueError, match="-1 found"):
        parallel_map(square, [3, -1, 2], jobs, desc="", unit="")


@pytest.mark.parametrize("jobs", [1, 2])
def test_libraries_have_one_thread_in_each_process(jobs):
    for counts in parallel_map(threads, range(4), jobs, desc="", unit=""):
        assert counts and set(counts) == {1}


def test_jobs_below_one_are_refused():
    with pytest.raises(ValueError, match="--jobs 0 found"):
        parallel_map(square, [1], 0, desc="", unit="")


def test_no_items():
    assert parallel_map(square, [], 2, desc="", unit="") == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_does_not_take_the_other_items_along(jobs):
    found = dict(parallel_results(square, [3, -1, 2], jobs, desc="", unit=""))
    assert (found[0], found[2]) == (9, 4)
    assert isinstance(found[1], ValueError) and "in square" in found[1].__notes__[0]


def test_a_process_that_dies_is_known_by_its_item_and_the_others_are_done():
    found = dict(parallel_results(die_at_seven, list(range(40)), 2, desc="", unit=""))
    assert found.pop(7) == Died(-9)
    assert found == {number: number for number in range(40) if number != 7}
    with pytest.raises(OSError, match="mixture 7: its process was killed .SIGKILL.; if memory ran out, .* --jobs"):
        parallel_map(die_at_seven, list(range(9)), 2, desc="", unit="", name=lambda number: f"mixture {number}")
    assert str(Died(-11)) == "its process died (SIGSEGV)" and str(Died(3)) == "its process died (exit code 3)"


@pytest.mark.parametrize("jobs", [1, 2])
def test_memory_that_runs_out_is_one_line(jobs):
    with pytest.raises(OSError, match="^3: out of memory; give a smaller --jobs$"):
        parallel_map(out_of_memory_at_three, list(range(6)), jobs, desc="", unit="")


def test_results_come_as_they_are_made(tmp_path):
    flag = tmp_path / "seen"
    found = parallel_results(wait_for, [str(flag), ""], 2, desc="", unit="")
    assert next(found) == (1, "")
    flag.touch()
    assert list(found) == [(0, str(flag))]


def test_what_cannot_be_sent_back_is_an_error():
    with pytest.raises(RuntimeError, match="cannot be sent"):
        parallel_map(no_lambda, [1, 2], 2, desc="", unit="")


def test_processes_that_cannot_start_are_one_error():
    with pytest.raises(OSError, match=r"a new process ended before its first item: its process died \(exit code 5\)"):
        parallel_map(square, [1, 2, 3], 2, desc="", unit="", prepare=cannot_start)


def test_no_process_is_left_when_the_results_are_given_up():
    found = parallel_results(square, list(range(200)), 2, desc="", unit="")
    next(found)
    found.close()
    assert not multiprocessing.active_children()


PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
from test_parallel import square
from spiking_tasnet.separation.parallel import parallel_map
import multiprocessing.synchronize
def refuse(*_):
    raise OSError(28, "No space left on device")
multiprocessing.synchronize.SemLock.__init__ = refuse  # what a missing /dev/shm does
if __name__ == "__main__":
    print(sum(parallel_map(square, list(range(10)), 2, desc="square", unit="number")))
"""


@pytest.mark.parametrize("closed", ["", "2>&-", "2>/dev/full", "2>&- <&-"])
def test_no_shared_memory_and_no_stderr_are_needed(tmp_path, closed):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(folder=str(Path(__file__).parent)))
    command = f"{sys.executable} {program} {closed}"
    done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "285\n")

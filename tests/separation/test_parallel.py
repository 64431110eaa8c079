"""Items over processes: order, errors, threads."""

import numpy as np
import pytest
from scipy.linalg import toeplitz
from threadpoolctl import threadpool_info

from spiking_tasnet.separation.parallel import parallel_map


def square(number):
    if number < 0:
        raise ValueError(f"{number} found, 0 or more expected")
    return number * number


def threads(_):
    assert np.isfinite(toeplitz([1.0, 2.0])).all()
    return [library["num_threads"] for library in threadpool_info()]


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

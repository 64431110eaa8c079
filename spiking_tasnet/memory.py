"""How much memory a process keeps between uses."""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h
KEEP_BYTES = 2**31 - 1  # the largest that mallopt takes
CONVOLUTIONS = 32  # two lengths of the paper's network


def keep_freed_memory() -> bool:
    """Have malloc reuse the pages of large arrays instead of returning them to the system.

    glibc maps every array above some MB anew and the kernel clears its pages, at each layer of each training step: a
    tenth of the time of a small network on a CPU. What a process has used once it then keeps until it ends.

    Returns:
        Whether it was set; False where the C library is another.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, KEEP_BYTES))


def keep_few_convolutions() -> None:
    """Have oneDNN keep the convolutions of a few lengths only, 10 MB each; a thousand files have as many lengths.

    Before PyTorch is loaded; a number that the user set in the environment stays.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(CONVOLUTIONS))

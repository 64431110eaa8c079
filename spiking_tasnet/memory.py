"""Memory of large arrays, kept by the process between uses."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h
KEEP_BYTES = 2**31 - 1  # the largest that mallopt takes


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

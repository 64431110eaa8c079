"""`event.c` compiled for this machine when it is first needed, and loaded.

Without a compiler there is no event kernel and the reference runs instead.

C rather than numba: prototypes of the same algorithm took 1.6 to 1.9 times as long in numba, and twice the memory.
Nor is numba the fallback: who installs this package has a compiler already, because `pesq` is built from source.
"""

from __future__ import annotations

import logging
import subprocess
from functools import cache
from typing import Any

import numpy as np
from cffi import FFI
from torch import Tensor

from spiking_tasnet.compiler import compiled
from spiking_tasnet.snn.event_source import DEFINES, SOURCES

__all__ = ["available", "ffi", "library", "pointer"]

logger = logging.getLogger(__name__)
HEADER = SOURCES[2]
C_TYPES = {"float32": "float", "int8": "int8_t", "int16": "uint16_t", "int32": "int32_t", "int64": "int64_t"}
C_TYPES |= {"uint32": "uint32_t"}


def available() -> bool:
    """Whether the kernel is built, or can be."""
    return library() is not None


@cache
def library() -> Any:
    """The compiled kernel, with the functions of `event.h`; None, after one warning, where it cannot be built."""
    try:
        return ffi().dlopen(str(compiled("event", SOURCES[:1], SOURCES, DEFINES)))
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        logger.warning(
            "the event-driven kernel cannot be built (%s): spiking layers run on the slower reference; "
            "install a C compiler (Debian, Ubuntu: apt-get install gcc)",
            " ".join(str(reason).split()),
        )
        return None


@cache
def ffi() -> FFI:
    """The types and functions of `event.h`; cffi has no preprocessor, so it is not shown the lines for one."""
    found = FFI()
    lines = HEADER.read_text(encoding="utf-8").splitlines()
    found.cdef("\n".join(line for line in lines if not line.startswith("#")))
    return found


def pointer(values: Tensor | np.ndarray | None, offset: int = 0) -> Any:
    """Address of the value number `offset` of contiguous memory, with the type that C has for it; NULL for None.

    The caller keeps `values` alive as long as C reads them. Both kinds of int16 are unsigned in C.
    """
    if values is None:
        return ffi().NULL
    start = values.data_ptr() if isinstance(values, Tensor) else values.ctypes.data
    kind = C_TYPES[str(values.dtype).removeprefix("torch.")]
    return ffi().cast(f"{kind} *", start + offset * values.itemsize)

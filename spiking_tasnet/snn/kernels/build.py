"""`event.c` compiled for this machine when it is first needed, and loaded (see `spiking_tasnet.compiler`).

Where neither a library nor a compiler is at hand there is no event kernel, and the reference runs instead.

C rather than numba: prototypes of the same algorithm took 1.6 to 1.9 times as long in numba, and twice the memory.
Nor is numba the fallback: who installs this package has a compiler already, because `pesq` is built from source.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cffi import FFI
from torch import Tensor

from spiking_tasnet.compiler import advice, use_library
from spiking_tasnet.snn.event_source import DEFINES, SOURCES

__all__ = ["available", "ffi", "library", "pointer"]

logger = logging.getLogger(__name__)
HEADER = SOURCES[2]
LONGEST_REASON = 500  # characters of what a compiler says
C_TYPES = {"float32": "float", "int8": "int8_t", "int16": "uint16_t", "int32": "int32_t", "int64": "int64_t"}
C_TYPES |= {"uint32": "uint32_t"}


def available() -> bool:
    """Whether the kernel is built, or can be."""
    return library() is not None


def library() -> Any:
    """The compiled kernel, with the functions of `event.h`; None, after one warning, where it cannot be built.

    The first call builds and loads it; calls from other threads wait for that.
    """
    return _once("library", _load)


def _load() -> Any:
    try:
        return use_library("event", SOURCES[:1], SOURCES, _loaded, DEFINES)
    except (OSError, subprocess.SubprocessError) as error:
        reason = " ".join(str(getattr(error, "stderr", None) or error).split())
        logger.warning(
            "the event-driven kernel cannot be built (%s): spiking layers run on the slower reference; %s",
            reason[:LONGEST_REASON],
            advice(error),
        )
        return None


def _loaded(path: Path) -> Any:
    found = ffi().dlopen(str(path))
    for name in re.findall(r"\b(event_\w+)\(", HEADER.read_text(encoding="utf-8")):
        if not hasattr(found, name):
            raise OSError(f"{path}: a library without {name} found; remove it, and it is built again")
    return found


def ffi() -> FFI:
    """The types and functions of `event.h`; cffi has no preprocessor, so it is not shown the lines for one."""
    return _once("ffi", _declared)


def _declared() -> FFI:
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


_first_use = threading.RLock()
_made: dict[str, Any] = {}


def _once(name: str, make: Callable[[], Any]) -> Any:
    """What `make` gives, made by the first thread that asks; the others wait for it."""
    if name not in _made:
        with _first_use:
            if name not in _made:
                _made[name] = make()
    return _made[name]


def _unlock() -> None:
    global _first_use
    _first_use = threading.RLock()


os.register_at_fork(after_in_child=_unlock)  # the thread that held it may not be in the child

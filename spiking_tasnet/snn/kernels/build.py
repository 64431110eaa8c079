"""`event.c` compiled for this machine when it is first needed, and loaded.

The library goes to the user's cache folder under a name that says what it was built from, so another source, compiler
or processor gets its own. Without a compiler there is no event kernel and the reference runs instead.

C rather than numba: prototypes of the same algorithm took 1.6 to 1.9 times as long in numba, and twice the memory.
Nor is numba the fallback: who installs this package has a compiler already, because `pesq` is built from source.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from cffi import FFI
from torch import Tensor

from spiking_tasnet.files import whole_file
from spiking_tasnet.snn.kernels.neurons import FRACTION_BITS

__all__ = ["available", "compiled", "ffi", "library", "pointer"]

logger = logging.getLogger(__name__)
SOURCES = tuple(Path(__file__).with_name(name) for name in ("event.c", "event_variant.inc", "event.h"))
FLAGS = ("-O3", "-shared", "-fPIC", "-std=gnu11", "-fwrapv", "-ffp-contract=off", f"-DFRACTION_BITS={FRACTION_BITS}")
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
        return ffi().dlopen(str(compiled("event", SOURCES[:1], SOURCES)))
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


def compiled(name: str, units: Sequence[Path], sources: Sequence[Path]) -> Path:
    """Path of a library, built if there is none yet: under a name of its own, then renamed.

    Args:
        name: the first part of the library's name.
        units: what the compiler is given.
        sources: all that it reads.

    Raises:
        FileNotFoundError: no compiler, or a source is missing.
        OSError, subprocess.SubprocessError: it cannot be built.
    """
    compiler = shutil.which(os.environ.get("CC") or "cc") or shutil.which("gcc")
    if compiler is None:
        raise FileNotFoundError("no C compiler found")
    native = "-mcpu=native" if platform.machine() in ("arm64", "aarch64") else "-march=native"
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    texts = [path.read_text(encoding="utf-8") for path in sources]
    parts = (*texts, " ".join(FLAGS), version, platform.platform(), _processor())
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    target = _cache_dir() / f"{name}-{key}.so"
    if target.exists():
        return target
    # -march=native gives the vector registers of this processor, without which the kernel is several times slower; the
    # name of the library therefore holds the processor.
    with whole_file(target) as temporary:
        for more in (("-fopenmp", native), (native,), ("-fopenmp",), ()):  # not every compiler knows every option
            command = [compiler, *FLAGS, *more, *map(str, units), "-o", str(temporary), "-lm"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return target
        raise subprocess.CalledProcessError(done.returncode, compiler, stderr=done.stderr or None)


def _cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "spiking_tasnet"


def _processor() -> str:
    """What `native` stands for here."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))

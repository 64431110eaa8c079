"""`event.c` compiled for this machine when it is first needed, and loaded.

The library goes to the user's cache folder under a name that says what it was built from, so another source, compiler
or processor gets its own. Without a compiler there is no event kernel and the reference runs instead.

C rather than numba: prototypes of the same algorithm took 1.6 to 1.9 times as long in numba, and twice the memory.
Nor is numba the fallback: who installs this package has a compiler already, because `pesq` is built from source.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from spiking_tasnet.snn.kernels.geometry import FRACTION_BITS

__all__ = ["VARIANTS", "available", "compiled", "library"]

logger = logging.getLogger(__name__)
SOURCES = tuple(Path(__file__).with_name(name) for name in ("event.c", "event_variant.c"))
FLAGS = ("-O3", "-shared", "-fPIC", "-std=gnu11", "-fwrapv", "-ffp-contract=off", f"-DFRACTION_BITS={FRACTION_BITS}")
VARIANTS = ("float32", "int32", "int16")


def available() -> bool:
    """Whether the kernel is built, or can be."""
    return library() is not None


@cache
def library() -> ctypes.CDLL | None:
    """The compiled kernel, or None (and one warning) where it cannot be built."""
    try:
        return _declared(ctypes.CDLL(str(compiled("event", SOURCES[:1], SOURCES))))
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        logger.warning(
            "the event-driven kernel cannot be built (%s): spiking layers run on the slower reference; "
            "install a C compiler (Debian, Ubuntu: apt-get install gcc)",
            " ".join(str(reason).split()),
        )
        return None


def _declared(found: ctypes.CDLL) -> ctypes.CDLL:
    """Argument types of every function: p is a pointer, i an int64, f a float."""
    kinds = {"p": ctypes.c_void_p, "i": ctypes.c_int64, "f": ctypes.c_float}
    signatures = {
        "event_limit": "i",
        "event_lengths": "ppiiip",
        "event_lists": "ppiiiippp",
        "event_count": "piiip",
        "event_encode": "ppiiipfiiip",
        "event_reach": "piiiipp",
    }
    for variant in VARIANTS:
        signatures |= {
            f"event_block_{variant}": "",
            f"event_pack_{variant}": "piiiiiip",
            f"event_run_{variant}": "ppppppipppiiipp",
        }
    for name, signature in signatures.items():
        function = getattr(found, name)
        function.argtypes = [kinds[kind] for kind in signature]
        function.restype = ctypes.c_int if "p" in signature else ctypes.c_int64
    return found


def compiled(name: str, units: Sequence[Path], sources: Sequence[Path]) -> Path:
    """Path of a library, built if there is none yet: under a name of its own, then renamed.

    Args:
        name: its name begins with it.
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
    parts = (
        *(path.read_text(encoding="utf-8") for path in sources),
        " ".join(FLAGS),
        version,
        platform.platform(),
        _processor(),
    )
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    target = _cache_dir() / f"{name}-{key}.so"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.tmp.so")
    try:
        for more in (("-fopenmp", native), (native,), ("-fopenmp",), ()):
            flags = (*FLAGS, *more)
            command = [compiler, *flags, *map(str, units), "-o", str(temporary), "-lm"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                os.replace(temporary, target)
                return target
    finally:
        temporary.unlink(missing_ok=True)
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

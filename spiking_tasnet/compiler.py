"""Libraries in C, compiled for this machine when they are first needed.

A library goes to the user's cache folder under a name that says what it was built from, so another source, compiler or
processor gets its own.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from spiking_tasnet.files import whole_file

FLAGS = ("-O3", "-shared", "-fPIC", "-std=gnu11", "-fwrapv", "-ffp-contract=off")


def compiled(name: str, units: Sequence[Path], sources: Sequence[Path], defines: Sequence[str] = ()) -> Path:
    """Path of a library, built if there is none yet: under a name of its own, then renamed.

    Args:
        name: the first part of the library's name.
        units: what the compiler is given.
        sources: all that it reads.
        defines: options of the compiler beside `FLAGS`.

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
    parts = (*texts, " ".join([*FLAGS, *defines]), version, platform.platform(), _processor())
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    target = _cache_dir() / f"{name}-{key}.so"
    if target.exists():
        return target
    # -march=native gives the vector registers of this processor, without which the kernel is several times slower; the
    # name of the library therefore holds the processor.
    with whole_file(target) as temporary:
        for more in (("-fopenmp", native), (native,), ("-fopenmp",), ()):  # not every compiler knows every option
            command = [compiler, *FLAGS, *defines, *more, *map(str, units), "-o", str(temporary), "-lm"]
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

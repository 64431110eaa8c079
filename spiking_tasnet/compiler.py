"""Libraries in C, compiled for this machine when first needed, kept, checked each time, and built anew where damaged.

A library lies under a name that says what it was built from: sources, flags, system and processor. Beside it lies its
hash, so that one that was cut short or changed is never loaded, and the compiler's version, so that another compiler
builds its own. Where there is no compiler any more, the library that is there is used.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import platform
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from spiking_tasnet.cache_folder import cache_folders, is_own
from spiking_tasnet.files import whole_file

__all__ = ["FLAGS", "advice", "compiled", "use_library"]

FLAGS = ("-O3", "-shared", "-fPIC", "-std=gnu11", "-fwrapv", "-ffp-contract=off")
INSTALL = "install a C compiler (Debian, Ubuntu: apt-get install gcc)"
LONGEST_BUILD = 300.0  # seconds; it takes some five
T = TypeVar("T")


class NoCompilerError(FileNotFoundError):
    """No compiler, and no library from an earlier time."""


def compiled(name: str, units: Sequence[Path], sources: Sequence[Path], defines: Sequence[str] = ()) -> Path:
    """Path of a library, built if there is none yet.

    Args:
        name: the first part of the library's name.
        units: what the compiler is given.
        sources: all that it reads.
        defines: options of the compiler beside `FLAGS`.

    Raises:
        FileNotFoundError: no compiler and no library, or a source is missing.
        OSError: no folder to keep it in.
        subprocess.SubprocessError: the compiler failed.
    """
    return use_library(name, units, sources, lambda path: path, defines)


def use_library(
    name: str, units: Sequence[Path], sources: Sequence[Path], use: Callable[[Path], T], defines: Sequence[str] = ()
) -> T:
    """What `use` makes of the library's path, in the first folder where it raises no OSError.

    Folders differ in more than who may write: programs cannot be loaded from one that is mounted without that right.

    Args:
        name: as `compiled`, and so is what is raised.
        units: as `compiled`.
        sources: as `compiled`.
        use: is given the path, and loads it.
        defines: as `compiled`.
    """
    key, options = _key(sources, defines), (*FLAGS, *defines)
    faults: list[OSError] = []
    for folder in cache_folders():
        try:
            if isinstance(folder, OSError):
                raise folder
            return use(_library_in(folder, f"{name}-{key}.so", units, options))
        except OSError as error:
            faults.append(error)
    missing = next((fault for fault in faults if isinstance(fault, NoCompilerError)), None)
    raise missing or OSError("; ".join(dict.fromkeys(" ".join(str(fault).split()) for fault in faults)))


def advice(error: Exception) -> str:
    """What to do where a library cannot be had, by the cause."""
    if isinstance(error, NoCompilerError):
        return INSTALL
    if isinstance(error, subprocess.CalledProcessError):
        return "the compiler does not work; set CC to another one, or free space in the folder for temporary files"
    if isinstance(error, subprocess.TimeoutExpired):
        return "the compiler does not end; set CC to another one"
    if isinstance(error, FileNotFoundError):
        return "the package is not complete; install it again"
    return "set XDG_CACHE_HOME to a folder that only you can write to, and that programs may be loaded from"


def _library_in(folder: Path, name: str, units: Sequence[Path], options: Sequence[str]) -> Path:
    path, compiler = folder / name, _compiler()
    version = None if compiler is None else _version(compiler)
    if _is_whole(path, version):
        return path
    if compiler is None:
        raise NoCompilerError("no C compiler found")
    with _locked(folder / ".lock"):
        if not _is_whole(path, version):  # another process may have built it meanwhile
            _build(path, [compiler, *options], units, version)
    return path


def _is_whole(path: Path, version: str | None) -> bool:
    """Whether the library is there, nobody else's, as it was built, and built by this compiler, if there is one."""
    note = _note(path)
    if not (is_own(path) and is_own(note)):
        return False
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
        return told["sha256"] == _hash(path) and version in (None, told["compiler"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _build(path: Path, compiler: list[str], units: Sequence[Path], version: str | None) -> None:
    """Compile under a name of its own, then rename; the note comes last."""
    native = "-mcpu=native" if platform.machine() in ("arm64", "aarch64") else "-march=native"
    # -march=native gives the vector registers of this processor, without which the kernel is several times slower; the
    # name of the library therefore holds the processor.
    with whole_file(path) as temporary:
        for more in (("-fopenmp", native), (native,), ("-fopenmp",), ()):  # not every compiler knows every option
            command = [*compiler, *more, *map(str, units), "-o", str(temporary), "-lm"]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_BUILD)
            if done.returncode == 0:
                break
        else:
            raise subprocess.CalledProcessError(done.returncode, compiler[0], stderr=done.stderr or None)
        temporary.chmod(stat.S_IRWXU)
        told = {"sha256": _hash(temporary), "compiler": version}
    with whole_file(_note(path)) as temporary:
        temporary.write_text(json.dumps(told), encoding="utf-8")
        temporary.chmod(stat.S_IRUSR | stat.S_IWUSR)


@contextmanager
def _locked(path: Path, patience: float = LONGEST_BUILD) -> Iterator[None]:
    """Let one process build at a time; go on without the lock where the disk has none, or its holder does not end.

    Writers rename whole files into place, so without the lock the work is done twice, and no more.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR), "a") as stream:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EAGAIN):
                    break
                time.sleep(0.05)
        yield


def _key(sources: Sequence[Path], defines: Sequence[str]) -> str:
    texts = [path.read_text(encoding="utf-8") for path in sources]
    parts = (*texts, " ".join([*FLAGS, *defines]), platform.platform(), _processor())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _compiler() -> str | None:
    return shutil.which(os.environ.get("CC") or "cc") or shutil.which("gcc")


def _version(compiler: str) -> str | None:
    """What the compiler calls itself; None where it cannot even say that."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = [compiler, "--version"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=LONGEST_BUILD).stdout
    return None


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _processor() -> str:
    """What `native` stands for here."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))

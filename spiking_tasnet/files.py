"""Files are written whole or not at all: a temporary name in the same folder, then a rename."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LONGEST_SUFFIX = 16  # characters; what is longer is no suffix
# errno -> what to do
ADVICE = {
    errno.ENOSPC: "the disk is full; free some space, or write to another one",
    errno.EDQUOT: "your quota of the disk is used up; free some space, or write to another one",
    errno.EFBIG: "the file would be larger than is allowed here; raise the limit, or write to another disk",
    errno.EACCES: "no permission to write there; write to another folder",
    errno.EPERM: "no permission to write there; write to another folder",
    errno.EROFS: "that disk is read-only; write to another folder",
    errno.ENOTDIR: "a file lies where a folder is needed; write to another folder",
    errno.EEXIST: "a file lies where a folder is needed; write to another folder",
    errno.EISDIR: "a folder of that name is there; write to another folder, or move it away",
    errno.ENAMETOOLONG: "the name is too long for that disk; rename the file, or write to a folder of shorter name",
    errno.EIO: "the disk failed; look at the system's log, and write to another one",
}


def write_error(path: str | os.PathLike, error: Exception) -> OSError:
    """What to raise when `path` could not be written: one line with advice by the cause."""
    number = getattr(error, "errno", None) or 0
    # libsndfile and torch pass on no errno.
    advice = ADVICE.get(number) or f"{getattr(error, 'strerror', None) or error}; is the disk full?"
    return OSError(f"{printable(path)}: cannot be written: {' '.join(advice.split())}")


def check_writable(folder: str | os.PathLike) -> None:
    """Try to make `folder` and to write there, before hours of work are spent on what cannot be kept.

    Nothing is left behind: what is not there yet is tried in a folder of a temporary name, which no other process uses.

    Raises:
        OSError: it cannot be made, or not be written to; the message says what to do.
    """
    wanted = Path(os.path.abspath(folder))
    there = next(path for path in (wanted, *wanted.parents) if os.path.lexists(path))
    probe = temporary_path(there / "probe")
    below = probe / wanted.relative_to(there)
    try:
        below.mkdir(parents=True)
        (below / "probe").write_bytes(b"probe")
    except OSError as error:
        raise write_error(folder, error) from None
    finally:
        shutil.rmtree(probe, ignore_errors=True)


def temporary_path(path: str | os.PathLike) -> Path:
    """A new hidden name beside `path`, short however long that is, with the suffix of `path`."""
    path = Path(path)
    suffix = path.suffix if len(path.suffix) <= LONGEST_SUFFIX else ""
    return path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.tmp{suffix}")


@contextmanager
def whole_file(path: str | os.PathLike, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds.

    The temporary name keeps the suffix of `path`, so writers that choose a format by suffix work.
    If the block raises, the temporary file is removed and an older `path` is left untouched.

    Args:
        path: the file.
        durable: wait until file and name are on the disk, so that a power cut leaves the old file or the new one. It
            costs some milliseconds per file: for what takes hours to make, not for thousands of mixtures.

    Raises:
        OSError: it cannot be written; the error names a file, also where the writer's own names none.

    Examples:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> with whole_file(target) as temporary:
        ...     _ = temporary.write_text("done")
        >>> target.read_text()
        'done'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    try:
        yield temporary
        if durable:
            _sync(temporary)
        os.replace(temporary, path)
        if durable:
            with contextlib.suppress(OSError):  # not every file system syncs folders
                _sync(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):  # the disk's own fault is the one to tell
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: str | os.PathLike) -> None:
    """Remove what `whole_file` was writing in `folder` when its process was killed; nobody may be writing there now."""
    for path in Path(folder).glob(".*.tmp*"):
        path.unlink(missing_ok=True)


def printable(path: str | os.PathLike) -> str:
    r"""A path as any terminal and one line can show it: what is no text, or would act on the terminal, is escaped.

    Examples:
        >>> print(printable(os.fsdecode(b"caf\xe9\n.wav")))
        caf\xe9\n.wav
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def write_text(path: str | os.PathLike, text: str, *, durable: bool = False) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all; `durable` as in `whole_file`."""
    with whole_file(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, data: Any, *, durable: bool = False) -> None:
    """Write `data` as indented JSON to `path`, whole or not at all; `durable` as in `whole_file`."""
    write_text(path, json.dumps(data, indent=2) + "\n", durable=durable)


def read_json(path: str | os.PathLike) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not JSON; the message names it.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON file ({error}); delete it and run the stage that makes it") from None

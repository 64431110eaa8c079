"""Folders to keep compiled libraries in: the user's own, that nobody else can write to.

What is loaded from a folder runs as the user, so a folder that another user could put a library in is never used.
"""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

NAME = "spiking_tasnet"
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def cache_folders() -> Iterator[Path | OSError]:
    """Folders to try one after the other: each is private, or an error says why it cannot be had.

    They are the user's cache folder ($XDG_CACHE_HOME, or ~/.cache), a folder of this user beside other temporary files,
    which the next process finds again, and a new one that is removed at exit.
    """
    for candidate in (_user_cache, _beside_temporary_files, _throwaway):
        try:
            folder = candidate()
            found = None if folder is None else private_folder(folder)
        except OSError as error:
            yield error
        else:
            if found is not None:
                yield found


def private_folder(folder: Path) -> Path:
    """Make `folder` and give its real path, once it is certain that no other user can write there.

    A folder of the user's that others can write to is closed to them.

    Raises:
        OSError: it cannot be made, is another user's, or lies in a folder in which another user could replace it.
    """
    if not folder.parent.exists():
        _make(folder.parent)
    _make(folder)
    state = folder.lstat()
    if stat.S_ISLNK(state.st_mode) and state.st_uid == os.geteuid():
        state = folder.stat()
    if state.st_uid not in (os.geteuid(), 0) or not stat.S_ISDIR(state.st_mode):
        raise PermissionError(f"{folder}: belongs to another user, or is no folder")
    if state.st_uid == os.geteuid() and stat.S_IMODE(state.st_mode) != stat.S_IRWXU:
        folder.chmod(stat.S_IRWXU)
        state = folder.stat()
    if state.st_mode & OTHERS_WRITE:
        raise PermissionError(f"{folder}: other users can write there")
    real = folder.resolve()
    for parent in real.parents:
        fault = _fault(parent.stat())
        if fault:
            raise PermissionError(f"{parent}: {fault}, and could replace {real.name}")
    return real


def is_own(path: Path) -> bool:
    """Whether `path` is a file, no link, of the user's or root's that nobody else can write to."""
    try:
        state = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(state.st_mode) and state.st_uid in (os.geteuid(), 0) and not state.st_mode & OTHERS_WRITE


def _user_cache() -> Path | None:
    """None where the user has no home, or where the setting is no absolute path (which its standard says to ignore)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")  # of a user without home, it stays "~"
    return Path(base, NAME) if os.path.isabs(base) else None


def _beside_temporary_files() -> Path:
    return Path(tempfile.gettempdir()) / f"{NAME}-{os.geteuid()}"


def _make(folder: Path) -> None:
    """Make a folder, and those above it, for the user alone, whatever the umask is."""
    if not folder.parent.exists():
        _make(folder.parent)
    folder.mkdir(stat.S_IRWXU, exist_ok=True)


def _fault(state: os.stat_result) -> str:
    """Why what lies in this folder could be replaced by another user, or an empty string."""
    if state.st_uid not in (os.geteuid(), 0, os.stat("/").st_uid):
        return "belongs to another user"
    if state.st_mode & stat.S_ISVTX:  # as /tmp: only owners rename and remove
        return ""
    if state.st_mode & stat.S_IWOTH or (state.st_mode & stat.S_IWGRP and state.st_gid not in (0, os.getegid())):
        return "other users can write there"
    return ""


@cache
def _throwaway() -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
    process = os.getpid()

    def remove() -> None:
        if os.getpid() == process:  # a forked child leaves it to its parent
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder

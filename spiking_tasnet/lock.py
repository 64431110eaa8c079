"""One process at a time in a folder."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(folder: str | os.PathLike, advice: str, who: str = "process") -> Iterator[None]:
    """Hold a folder, which is made if need be, by a lock on `.lock` in it that ends with the process.

    Children that outlive a killed process do not inherit this kind of lock.

    Args:
        folder: what no other process may write to meanwhile.
        advice: what to do if one does, for the message.
        who: does such work, for the message.

    Raises:
        ValueError: another process holds it.
        OSError: the folder cannot be written.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open(Path(folder) / ".lock", "a") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise ValueError(f"{folder}: another {who} is at work there; {advice}") from None
            # A file system without locks: nothing can be held there.
        yield

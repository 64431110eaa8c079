"""A journal of what a long command has done, one JSON line per item, from which the next run continues.

Only whole lines count: if the run was killed, the last line may be cut, and is ignored. All lines belong to the same
settings, kept in the first line; under other settings the journal starts again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spiking_tasnet.files import write_text
from spiking_tasnet.part import Part, files_of_parts


class Journal:
    """Entries by key, kept in a file.

    Args:
        path: the file; made if it is not there.
        settings: that all entries depend on, as plain JSON data.
        part: write beside `path`, in a file of the part; None for the whole, which takes in what the parts did.

    Attributes:
        entries: key -> what `add` was given, in this run or an earlier one.
    """

    def __init__(self, path: Path, settings: dict[str, Any], part: Part | None = None):
        path = Path(path)
        self.path, self.entries = part.own_file(path) if part else path, _read(path, settings)
        self.parts = [] if part else files_of_parts(path)
        for file in self.parts or [self.path]:
            self.entries |= _read(file, settings)
        lines = [settings, *({"key": key, **entry} for key, entry in self.entries.items())]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in lines))
        self._stream = open(self.path, "ab", buffering=0)

    def add(self, key: str, entry: dict[str, Any]) -> None:
        """Keep an entry.

        Raises:
            OSError: it cannot be written; the message names the file.
        """
        self.entries[key] = entry
        try:
            line = (json.dumps({"key": key, **entry}) + "\n").encode()
            while line:
                line = line[self._stream.write(line) :]
        except OSError as error:
            raise OSError(f"{self.path}: cannot be written ({error.strerror}); make room and run this again") from None

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def forget_parts(self) -> None:
        """Remove the files of the parts, whose entries are here now."""
        for file in self.parts:
            file.unlink(missing_ok=True)


@contextmanager
def journal(path: Path, settings: dict[str, Any], part: Part | None = None) -> Iterator[Journal]:
    """Open a journal for a block; arguments as `Journal`.

    Raises:
        OSError: it cannot be written.
    """
    opened = Journal(path, settings, part)
    try:
        yield opened
    finally:
        opened.close()


def fingerprint(path: str | os.PathLike) -> list[Any] | None:
    """Identify the state of a file: its path, size in bytes and time of change in ns; None if it is absent."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [os.path.abspath(path), found.st_size, found.st_mtime_ns]


def _read(path: Path, settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Read the whole lines of a journal of the same settings."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return {}
    entries: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines[:-1]):  # what follows the last line end is not whole
        try:
            entry = json.loads(line)
        except ValueError:
            return entries
        if number == 0:
            if entry != json.loads(json.dumps(settings)):
                return {}
        elif isinstance(entry, dict) and isinstance(entry.get("key"), str):
            entries[entry.pop("key")] = entry
    return entries

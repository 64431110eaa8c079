"""Names of the files that separated recordings are written to: no two alike, none too long, none an input."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

LONGEST_NAME = 255  # bytes, on nearly every disk
ROOM = len("_s10.wav")


def output_stems(files: Sequence[Path]) -> dict[Path, str]:
    """The stem of the outputs of each file.

    It is the file's own; where several files share it, their folders' names are put in front (`a/mix.wav` gives
    `a-mix`, `b/mix.wav` gives `b-mix`), and a number behind where that does not tell them apart either.

    Args:
        files: no two the same.
    """
    shared = Counter(path.stem.casefold() for path in files)
    stems: dict[Path, str] = {}
    taken: set[str] = set()
    for path in sorted(files, key=lambda path: shared[path.stem.casefold()] > 1):  # those that keep their name first
        folder = Path(os.path.abspath(path)).parent.name
        wanted = path.stem if shared[path.stem.casefold()] == 1 else f"{folder}-{path.stem}"
        numbered = (_cut(wanted, f"-{number}" if number > 1 else "") for number in itertools.count(1))
        stems[path] = next(stem for stem in numbered if stem.casefold() not in taken)
        taken.add(stems[path].casefold())
    return stems


def output_paths(out: Path, stem: str, n_src: int) -> list[Path]:
    """Where the sources of one recording go."""
    return [out / f"{stem}_s{place}.wav" for place in range(1, n_src + 1)]


def identities(files: Iterable[Path]) -> set[tuple[int, int]]:
    """What tells files that exist from one another, by whatever name or link: (device, inode)."""
    found = set()
    for path in files:
        with contextlib.suppress(OSError, ValueError):
            status = os.stat(path)
            found.add((status.st_dev, status.st_ino))
    return found


def _cut(stem: str, ending: str) -> str:
    """`stem` and `ending`, cut so that the name of an output fits the disk."""
    while len(os.fsencode(stem + ending)) > LONGEST_NAME - ROOM:
        stem = stem[:-1]
    return stem + ending

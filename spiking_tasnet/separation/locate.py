"""Find what a mixture list names in a corpus as it lies on disk: as named, on the LDC's discs, in any letter case."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

# In order of preference. `.wv2` is not here: it is the far microphone, 1 to 2 dB worse in every published table.
SUFFIXES = (".wav", ".flac", ".wv1", ".sph")

Key = tuple[str, ...]


class Corpus:
    """A corpus root.

    A name is taken as it is where that file exists. Otherwise the last three parts of its path, in any letter case and
    with any suffix of `SUFFIXES`, are looked for anywhere below the root: `wsj0/si_tr_s/01t/01to030v.wav` is found as
    `11-2.1/wsj0/si_tr_s/01t/01to030v.wv1` or `CD3/WSJ0/SI_TR_S/01T/01TO030V.WV1`.

    Args:
        root: folder.
    """

    def __init__(self, root: str | os.PathLike):
        """See the class."""
        self.root = Path(root)

    def find(self, name: str) -> Path | None:
        """The file that `name` (relative, with forward slashes) stands for, or None."""
        path = self.root / name
        return path if path.is_file() else self._files.get(_key(PurePosixPath(name)))

    def find_all(self, names: Iterable[str], hint: str) -> dict[str, Path]:
        """The file of every name.

        Args:
            names: relative, with forward slashes.
            hint: what to do about missing ones, for the message.

        Raises:
            FileNotFoundError: some are missing; the message counts them.
        """
        names = sorted(names)
        files = {name: self.find(name) for name in names}
        absent = [name for name in names if files[name] is None]
        if absent:
            raise FileNotFoundError(
                f"{self.root}: {len(absent)} of {len(names)} files that the lists name are missing, the first is "
                f"{absent[0]}; {hint}"
            )
        return files

    @cached_property
    def _files(self) -> dict[Key, Path]:
        """Every audio file by key; the folders are read once, and only if some name is not there as it is."""
        return _by_key(
            Path(folder, name) for folder, _, names in os.walk(self.root, followlinks=True) for name in names
        )


def utterances_below(folders: Iterable[Path]) -> list[Path]:
    """Every utterance of the talkers whose folders lie in `folders`; one file an utterance."""
    return list(_by_key(path for folder in folders for path in folder.glob("*/*")).values())


def _by_key(paths: Iterable[Path]) -> dict[Key, Path]:
    """The audio files by key; of several under one key the one that comes first in `SUFFIXES`."""
    found: dict[Key, tuple[int, Path]] = {}
    for path in paths:
        suffix = path.suffix.lower()
        if suffix in SUFFIXES:
            candidate = SUFFIXES.index(suffix), path
            found[_key(path)] = min(found.get(_key(path), candidate), candidate)
    return {key: path for key, (_, path) in found.items()}


def _key(path: PurePosixPath | Path) -> Key:
    return tuple(part.lower() for part in (*path.parts[-3:-1], path.stem))

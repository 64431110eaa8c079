"""Find the files that a mixture list names: as named, on the LDC's discs, in any letter case."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

# In order of preference. `.wv2` is not here: it is the far microphone, 1 to 2 dB worse in every published table.
SUFFIXES = (".wav", ".flac", ".wv1", ".sph")
PASSED_OVER = ("lost+found",)  # folders of the file system; hidden ones (`._x.wav`, `.Trash`) are passed over too

logger = logging.getLogger(__name__)

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
        found = ((name, self.find(name)) for name in names)
        files = {name: path for name, path in found if path is not None}
        absent = [name for name in names if name not in files]
        if absent:
            raise FileNotFoundError(
                f"{self.root}: {len(absent)} of {len(names)} files that the lists name are missing, the first is "
                f"{absent[0]}; {hint}"
            )
        return files

    @cached_property
    def _files(self) -> dict[Key, Path]:
        """Every audio file by key; the folders are read once, and only if some name is not there as it is."""
        return _by_key(_files_below(self.root))


def utterances_below(folders: Iterable[Path]) -> list[Path]:
    """Every utterance of the talkers whose folders lie in `folders`; one file an utterance."""
    talkers = (talker for folder in folders for talker in _entries(folder) if _is_folder(talker))
    paths = (Path(entry.path) for talker in talkers for entry in _entries(talker.path) if _is_file(entry))
    return list(_by_key(paths).values())


def _files_below(root: Path) -> Iterator[Path]:
    """Every file below a folder, through links to folders too.

    A key is made of two folder names and a file name, so a folder that is met again under the same two names gives
    nothing new. So loops of links end, and a folder under other names still counts.
    """
    due, seen = [(root, "", "")], set()
    while due:
        folder, above, name = due.pop()
        try:
            status = os.stat(folder)
        except OSError as error:
            logger.warning("%s: cannot be read (%s), passed over", folder, error.strerror)
            continue
        place = status.st_dev, status.st_ino, above, name
        if place in seen:
            continue
        seen.add(place)
        for entry in _entries(folder):
            if _is_folder(entry):
                due.append((Path(entry.path), name, entry.name.lower()))
            elif _is_file(entry):
                yield Path(entry.path)


def _entries(folder: str | os.PathLike) -> list[os.DirEntry]:
    """The entries of a folder, sorted, without hidden and system ones; none if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".") and entry.name not in PASSED_OVER]
    except OSError as error:
        logger.warning("%s: cannot be read (%s), passed over", folder, error.strerror)
        return []
    return sorted(found, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry) -> bool:
    """Whether an entry is a folder; a link that leads nowhere, or to itself, is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(entry: os.DirEntry) -> bool:
    """Whether an entry is a regular file; pipes and sockets could block."""
    try:
        return entry.is_file()
    except OSError:
        return False


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

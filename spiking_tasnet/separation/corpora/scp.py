"""Tables of a Kaldi data folder: lines of `<utt-id> <value>`; in an scp the value is a path or a command.

A relative path starts at the folder of its scp, else at the current folder (as Kaldi reads it), else at a folder above
the scp's (ESPnet's `dump/raw/tt/wav.scp` names files from the recipe's folder). The first path of a table decides for
all. Absolute paths from before the folder was moved or copied are read at their new place, with a warning.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from spiking_tasnet.separation.audio.pipes import Pipe

logger = logging.getLogger(__name__)
SHORTEST_SUFFIX = 2  # path components that must agree before two files count as the same one, moved


def check_id(utterance: str) -> None:
    """Refuse an utterance id that cannot be the name of a file: it names the audio written for it.

    Raises:
        ValueError: it holds a slash, a backslash or a control character, or starts with a dash or a dot.
    """
    bad = any(character in "/\\" or not character.isprintable() for character in utterance)
    if bad or not utterance or utterance[0] in "-.":
        raise ValueError(
            f"utterance id {utterance!r} found; one without / and \\ that starts with neither - nor . expected, "
            "because files are named after it"
        )


def read_table(path: Path, remedy: str = "run stage 0 again, or mend it") -> dict[str, str]:
    """Read a table in its order; blank lines, tabs, CRLF and a byte-order mark are accepted.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not UTF-8, empty, a line without a value, or an id that is bad or comes twice.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; stage 0 (spiking-tasnet mix) makes it")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: byte {error.start} is not UTF-8; {remedy}") from None
    table: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        words = line.split(maxsplit=1)
        if not words:
            continue
        if len(words) != 2 or words[0] in table:
            raise ValueError(f"{path}: line {number} is not `<utt-id> <value>` with a new id; {remedy}")
        try:
            check_id(words[0])
        except ValueError as error:
            raise ValueError(f"{path}: line {number}: {error}") from None
        table[words[0]] = words[1].rstrip()
    if not table:
        raise ValueError(f"{path}: empty; {remedy}")
    return table


def read_scp(path: Path, allow_pipes: bool = False) -> dict[str, Path | Pipe]:
    """Read a table of audio; a value that ends with `|` is a command whose output is the audio.

    Args:
        path: the scp.
        allow_pipes: take commands. They run when the audio is read, so only of folders that you trust.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as `read_table`; a command that is not allowed; audio inside a Kaldi archive.
    """
    table = read_table(path)
    commands = {key for key, value in table.items() if value.endswith("|")}
    for key, value in table.items():
        if key in commands and not allow_pipes:
            raise ValueError(
                f"{path}: {key} is the output of a command ({value}); in a folder that you trust --allow-pipes of "
                "separate-set, score and report runs such commands, training needs files"
            )
        if key not in commands and ".ark:" in value:
            raise ValueError(f"{path}: {key} lies in an archive ({value}); one audio file an utterance expected")
    names = [value for key, value in table.items() if key not in commands]
    places = dict(zip(names, _located(Path(os.path.abspath(path)), names), strict=True))
    return {key: Pipe(value[:-1].strip()) if key in commands else places[value] for key, value in table.items()}


def _located(scp: Path, names: Sequence[str]) -> list[Path]:
    """Where the files of an scp lie."""
    relative = next((name for name in names if not os.path.isabs(name)), None)
    base = _base(scp.parent, relative) if relative is not None else scp.parent
    absolute = [Path(name) for name in names if os.path.isabs(name)]
    moved = _moved(scp, absolute) if absolute else {}
    return [Path(os.path.normpath(base / name)) if not os.path.isabs(name) else moved[Path(name)] for name in names]


def _base(folder: Path, name: str) -> Path:
    """The folder that a relative path starts from."""
    for base in (folder, folder.resolve(), Path.cwd(), *folder.parents):
        if os.path.isfile(os.path.normpath(base / name)):
            return base
    return folder


def _moved(scp: Path, paths: Sequence[Path]) -> dict[Path, Path]:
    """Map absolute paths to where the files lie since their folder was moved or copied; most stay as they are."""
    as_written = {path: path for path in paths}
    found = _same_inside(scp.parent, paths[0])
    if found is None:
        return as_written
    old, new = found
    inside = {path: new / path.relative_to(old) if path.is_relative_to(old) else path for path in paths}
    here = sum(path.is_file() for path in inside.values())
    if here == len(inside):
        _warn_once(f"{scp.parent}: written for audio in {old}; the same files in {new} are read instead")
        return inside
    _warn_once(
        f"{scp.parent}: audio in {old} is read, though some of it lies in {new} too; complete that copy, or mix again "
        "(stage 0)"
    )
    return as_written


@cache
def _warn_once(text: str) -> None:
    """Warn once for all tables of a folder."""
    logger.warning(text)


def _same_inside(folder: Path, path: Path) -> tuple[Path, Path] | None:
    """Find `path` again in or beside `folder`, by the end of its name: (what it began with, what it begins with now).

    None if it lies there already, or nothing of that name does.
    """
    places = (folder.parent, folder)
    if any(path.is_relative_to(place) for place in places):
        return None
    parts = path.parts
    for start in range(1, len(parts) - SHORTEST_SUFFIX + 1):
        for place in places:
            there = place.joinpath(*parts[start:])
            if there.is_file():
                same = path.is_file() and there.samefile(path)
                return None if same else (Path(*parts[:start]), place)
    return None

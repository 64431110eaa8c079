"""Active levels of utterances: from published tables (`activlev_*.txt`) if there are any, else measured."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from spiking_tasnet.separation.corpora.merl_lists import finite_number
from spiking_tasnet.separation.corpora.textfile import read_lines

logger = logging.getLogger(__name__)
MEASURE = Path("none")  # what --activlev names so that levels are measured even where there are published ones
PATTERN = "activlev_*.txt"
# Kept beside the mixtures. It was "measured" while the filter, the bins and the tail of activlev were not there.
MEASURED = "measured (VOICEBOX's activlev)"


def read_levels(folder: str | os.PathLike) -> dict[str, float]:
    """Read every `activlev_*.txt` of a folder: utterance -> active level (mean square amplitude).

    Raises:
        FileNotFoundError: there is none.
        ValueError: a line that is not `utterance level`, or an utterance of two levels.
    """
    files = _tables(Path(folder))
    if not files:
        raise FileNotFoundError(f"{folder}: no {PATTERN} found; --activlev none has the levels measured")
    levels: dict[str, float] = {}
    for path in files:
        for number, text in enumerate(read_lines(path), start=1):
            words = text.split()
            if not words:
                continue
            level = finite_number(words[1]) if len(words) == 2 else None
            if level is None or level <= 0:
                raise ValueError(f"{path}: line {number} is {text!r}, `utterance level` with a level > 0 expected")
            if levels.setdefault(words[0], level) != level:
                raise ValueError(f"{path}: line {number}: {words[0]} has level {levels[words[0]]:g} too; remove one")
    return levels


def choose_levels(
    activlev: Path | None, mix_lists: Path, files: Mapping[str, Path]
) -> tuple[Path | None, dict[str, float]]:
    """The published levels to mix with.

    Args:
        activlev: their folder; `MEASURE` for none; None for those in the folder of the lists, in a folder `activlev` in
            it or in one beside it, where they name the utterances of the lists.
        mix_lists: folder of the lists.
        files: listed name -> file.

    Returns:
        Their folder, or None if levels are to be measured; the level of each utterance.

    Raises:
        FileNotFoundError: `activlev` has none.
        ValueError: they lack listed utterances, or two of those have one name.
    """
    stems = {PurePosixPath(name).stem for name in files}
    beside = (mix_lists, mix_lists / "activlev", mix_lists.absolute().parent / "activlev")
    for folder in beside if activlev is None else () if activlev == MEASURE else (activlev,):
        levels = read_levels(folder) if activlev or _tables(folder) else {}
        if activlev or not stems.isdisjoint(levels):
            _check(folder, levels, files)
            logger.info("%s: published active levels taken; --activlev none would measure them", folder)
            return folder, levels
        if levels:
            logger.warning("%s: active levels of other utterances than those of the lists, passed over", folder)
    logger.info("active levels are measured, as VOICEBOX's activlev does (ITU-T P.56)")
    return None, {}


def _tables(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(PATTERN) if path.is_file())


def _check(folder: Path, levels: Mapping[str, float], files: Mapping[str, Path]) -> None:
    unknown = [name for name in files if PurePosixPath(name).stem not in levels]
    if unknown:
        raise ValueError(
            f"{folder}: {len(unknown)} of {len(files)} utterances have no level, the first is "
            f"{PurePosixPath(unknown[0]).stem}; --activlev none has levels measured"
        )
    owners: dict[str, Path] = {}
    for name, path in files.items():
        stem = PurePosixPath(name).stem
        if owners.setdefault(stem, path) != path:
            raise ValueError(
                f"{folder}: a level of {stem} found, which stands for {owners[stem]} and for {path}; "
                "--activlev none has levels measured"
            )

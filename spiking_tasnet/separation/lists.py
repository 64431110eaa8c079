"""MERL's mixture lists: `path gain path gain` a line, gains in dB, and the tables of active levels beside them."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

SUBSETS = ("tr", "cv", "tt")


@dataclass(frozen=True)
class MixLine:
    """One mixture of a list.

    Attributes:
        paths: of the sources, relative to the corpus root.
        gains: dB, on sources normalised to one active level.
    """

    paths: tuple[str, ...]
    gains: tuple[float, ...]

    @property
    def name(self) -> str:
        """MERL's name of the mixture, `<utt1>_<gain1>_<utt2>_<gain2>`."""
        words = zip(self.paths, self.gains, strict=True)
        return "_".join(f"{PurePosixPath(path).stem}_{matlab_number(gain)}" for path, gain in words)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Talkers: the folders that hold the sources."""
        return tuple(PurePosixPath(path).parent.name for path in self.paths)


def matlab_number(value: float) -> str:
    """Write a number as Matlab's num2str does: 4 digits after the point of its leading one, 5 below 10.

    Example:
        >>> matlab_number(2.110349), matlab_number(-12.34567), matlab_number(1.0), matlab_number(0.0799691)
        ('2.1103', '-12.3457', '1', '0.079969')
    """
    if value == int(value):
        return str(int(value))
    digits = max(math.floor(math.log10(abs(value))), 0) + 5
    return f"{value:.{digits}g}"


def read_list(path: str | os.PathLike, limit: int = 0) -> list[MixLine]:
    """Read a mixture list.

    Args:
        path: e.g. `mix_2_spk_tr.txt`.
        limit: only the first this many lines; 0 for all.

    Raises:
        FileNotFoundError: no such file.
        ValueError: empty, or a line that is not `path gain path gain`, or two mixtures of one name.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such list; --mix-lists names the folder of mix_2_spk_{{tr,cv,tt}}.txt")
    lines, names = [], {}
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if limit and len(lines) == limit:
            break
        if not text.strip():
            continue
        line = _parse(text, f"{path}: line {number}")
        if line.name in names:
            raise ValueError(f"{path}: line {number} makes {line.name}, as line {names[line.name]} does; remove one")
        names[line.name] = number
        lines.append(line)
    if not lines:
        raise ValueError(f"{path}: no lines found, `path gain path gain` expected")
    return lines


def read_levels(folder: str | os.PathLike) -> dict[str, float]:
    """Read every `activlev_*.txt` of a folder: utterance -> active level (mean square amplitude).

    Raises:
        FileNotFoundError: there is none.
        ValueError: a line that is not `utterance level`.
    """
    files = sorted(Path(folder).glob("activlev_*.txt"))
    if not files:
        raise FileNotFoundError(f"{folder}: no activlev_*.txt found; leave --activlev out to have levels measured")
    levels = {}
    for path in files:
        for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            words = text.split()
            if not words:
                continue
            level = _number(words[1]) if len(words) == 2 else None
            if level is None or level <= 0:
                raise ValueError(f"{path}: line {number} is {text!r}, `utterance level` with a level > 0 expected")
            levels[words[0]] = level
    return levels


def _parse(text: str, where: str) -> MixLine:
    words = text.split()
    gains = [_number(word) for word in words[1::2]]
    if len(words) < 4 or len(words) % 2 or None in gains:
        raise ValueError(f"{where} is {text.strip()!r}, `path gain path gain` expected")
    for path in words[0::2]:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError(f"{where}: {path} found, a path below the corpus root expected")
    return MixLine(tuple(words[0::2]), tuple(gains))


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None

"""MERL's mixture lists: lines of `path gain path gain`, gains in dB."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from spiking_tasnet.separation.corpora.names import below_root, check_mixture, check_talkers
from spiking_tasnet.separation.corpora.textfile import read_lines

SUBSETS = ("tr", "cv", "tt")
LARGEST_GAIN = 100.0  # dB; more is no gain, and 10**(gain / 20) must stay a number


@dataclass(frozen=True)
class MixLine:
    """One mixture of a list.

    Attributes:
        paths: of the sources, relative to the corpus root.
        gains: dB, on sources normalised to one active level.
        number: of the line, from 1; 0 for none.
    """

    paths: tuple[str, ...]
    gains: tuple[float, ...]
    number: int = field(default=0, compare=False)

    @cached_property
    def name(self) -> str:
        """MERL's name of the mixture, `<utt1>_<gain1>_<utt2>_<gain2>`."""
        words = zip(self.paths, self.gains, strict=True)
        return "_".join(f"{PurePosixPath(path).stem}_{matlab_number(gain)}" for path, gain in words)

    @property
    def talkers(self) -> tuple[str, ...]:
        """Talkers: the folders that hold the sources."""
        return tuple(PurePosixPath(path).parent.name for path in self.paths)


def matlab_number(value: float) -> str:
    """Write a number as Matlab's num2str does: 4 digits after the point of its leading one, 5 below 10.

    Examples:
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
        ValueError: empty, or a line that is not `path gain path gain`, mixes another number of talkers than those
            before it, or makes a name that is there already or cannot be one.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such list; --mix-lists names the folder of mix_2_spk_{{tr,cv,tt}}.txt")
    lines, names = [], {}
    for number, text in enumerate(read_lines(path), start=1):
        if limit and len(lines) == limit:
            break
        if not text.strip():
            continue
        where = f"{path}: line {number}"
        line = _parse(text, number, where)
        if lines and len(line.paths) != len(lines[0].paths):
            raise ValueError(
                f"{where} mixes {len(line.paths)} talkers, line {lines[0].number} mixes {len(lines[0].paths)}; "
                "make a list of its own for each number"
            )
        if line.name in names:
            raise ValueError(f"{where} makes {line.name}, as line {names[line.name]} does; remove one")
        names[line.name] = number
        lines.append(line)
    if not lines:
        raise ValueError(f"{path}: no lines found, `path gain path gain` expected")
    return lines


def finite_number(word: str) -> float | None:
    """Parse a finite number; None for anything else, infinity and NaN included."""
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _parse(text: str, number: int, where: str) -> MixLine:
    words = text.split()
    gains = [gain for word in words[1::2] if (gain := finite_number(word)) is not None]
    if len(words) < 4 or len(words) != 2 * len(gains):
        raise ValueError(f"{where} is {text.strip()!r}, `path gain path gain` expected")
    if max(map(abs, gains)) > LARGEST_GAIN:
        raise ValueError(f"{where} is {text.strip()!r}, gains from -{LARGEST_GAIN:g} to {LARGEST_GAIN:g} dB expected")
    line = MixLine(tuple(below_root(path, where) for path in words[0::2]), tuple(gains), number)
    check_mixture(line.name, where)
    check_talkers(line.talkers, where)
    return line

"""A part of a long command, so that several machines share it: `--part K/N` on each, then the command itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Part:
    """Part `number` of `total`, counted from 1.

    Examples:
        >>> Part(2, 3).of("abcdefgh")
        ['b', 'e', 'h']
    """

    number: int
    total: int

    @classmethod
    def read(cls, text: str) -> Part:
        """Read `K/N`.

        Raises:
            ValueError: other text, or no part from 1/N to N/N.
        """
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        part = cls(*map(int, found.groups())) if found else cls(0, 0)
        if not 1 <= part.number <= part.total:
            raise ValueError(f"--part {text} found, K/N expected with K from 1 to N, such as 2/4")
        return part

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Every N-th item, the K-th first: the parts are of one size, up to one item."""
        return list(items[self.number - 1 :: self.total])

    def own_file(self, path: Path) -> Path:
        """Where this part keeps what the whole command keeps in `path`."""
        return path.with_name(f"{path.name}.{self.number}-of-{self.total}")

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"


def files_of_parts(path: Path) -> list[Path]:
    """What all parts of a command have kept of `path`, in order."""
    return sorted(found for found in path.parent.glob("*") if _is_part_of(path, found))


def _is_part_of(path: Path, found: Path) -> bool:
    return re.fullmatch(re.escape(path.name) + r"\.[0-9]+-of-[0-9]+", found.name) is not None

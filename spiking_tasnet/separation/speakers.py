"""Sex of the talkers, from the corpus's spkrinfo.txt."""

from __future__ import annotations

import os
from pathlib import Path

SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}


def read_genders(root: str | os.PathLike) -> dict[str, str]:
    """Read talker -> ``M`` or ``F`` from every spkrinfo.txt at most three folders below `root`.

    A line is an id and, among the next columns, the sex; `;` begins a comment. Ids are folded to lower case.
    Without such a file the result is empty: the gender of every talker is then unknown.
    """
    genders = {}
    for depth in range(4):
        for path in sorted(Path(root).glob("*/" * depth + "[sS][pP][kK][rR][iI][nN][fF][oO].[tT][xX][tT]")):
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                words = line.partition(";")[0].replace("|", " ").split()
                sex = next((SEXES[word.lower()] for word in words[1:] if word.lower() in SEXES), None)
                if sex:
                    genders[words[0].lower()] = sex
    return genders

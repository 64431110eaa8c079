"""Gender of the talkers, from the tables that come with corpora."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path

from spiking_tasnet.separation.corpora.textfile import read_lines

logger = logging.getLogger(__name__)
GENDERS = {"m": "M", "male": "M", "f": "F", "female": "F"}
# WSJ0, TIMIT; LibriSpeech; Kaldi. Not `._spkrinfo.txt`, which is no table.
TABLE = re.compile(r"(?!\.)(.*spkrinfo.*\.txt|speakers\.txt|spk2gender)", re.IGNORECASE)
DEPTH = 3  # folders below the root
SHOWN = 5  # talkers named in a warning


def talker_genders(root: str | os.PathLike, table: str | os.PathLike | None = None) -> dict[str, str]:
    """Genders of a corpus's talkers: its own tables, and one more, which counts where they differ.

    Args:
        root: of the corpus.
        table: as `read_table` takes it.

    Raises:
        FileNotFoundError: `table` is given and absent.
        ValueError: `table` is given and tells no talker's gender.
    """
    genders = read_genders(root)
    if table is not None:
        if not Path(table).is_file():
            raise FileNotFoundError(f"{table}: no such file; --spkrinfo names a table of talkers and their gender")
        extra = read_table(table)
        if not extra:
            raise ValueError(f"{table}: no talker's gender found, lines such as `01a M` expected")
        genders |= extra
    return genders


def read_genders(root: str | os.PathLike) -> dict[str, str]:
    """Read talker -> ``M`` or ``F`` from every table at most `DEPTH` folders below `root`.

    WSJ0 has two: spkrinfo.txt on the last disc, and wsj0-train-spkrinfo.txt, which the LDC left off the discs and
    published beside them. Without a table the result is empty; a table that cannot be read gives a warning.
    """
    root, genders = Path(root), {}
    for depth in range(DEPTH + 1):
        tables = (path for path in root.glob("*/" * depth + "*") if TABLE.fullmatch(path.name) and path.is_file())
        for path in sorted(tables):
            try:
                genders |= read_table(path)
            except OSError as error:
                logger.warning("%s: cannot be read (%s), passed over", path, error.strerror)
    return genders


def read_table(path: str | os.PathLike) -> dict[str, str]:
    """Read talker -> ``M`` or ``F``: lines of an id and, among the other columns, the gender.

    Columns are separated by spaces, tabs, `|`, commas or `;`, and may be quoted. A line that begins with `;` is a
    comment, and so is anything behind a `;` that follows the gender. Other lines (headings, rules) are ignored. Ids are
    folded to lower case.
    """
    genders = {}
    for line in read_lines(path, strict=False):
        words = [word.lower() for word in re.split(r"[\s|,;\"]+", line) if word]
        gender = next((GENDERS[word] for word in words[1:] if word in GENDERS), None)
        if gender and not line.lstrip().startswith(";"):
            genders[words[0]] = gender
    return genders


def report_unknown(talkers: Iterable[str], genders: dict[str, str]) -> None:
    """Warn of talkers without a gender: their mixtures count in `overall` only."""
    talkers = sorted(set(talkers))
    unknown = [talker for talker in talkers if talker.lower() not in genders]
    if unknown:
        logger.warning(
            "the gender of %d of %d talkers is not known (%s): their mixtures count in overall only; name a table "
            "of it with --spkrinfo (for WSJ0's training set the LDC publishes wsj0-train-spkrinfo.txt beside LDC93S6A)",
            *(len(unknown), len(talkers), ", ".join(unknown[:SHOWN]) + (", ..." if len(unknown) > SHOWN else "")),
        )

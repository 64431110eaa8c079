"""LibriMix's metadata: CSVs with one mixture per row, as published or as a spreadsheet saved them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from spiking_tasnet.separation.corpora.merl_lists import finite_number
from spiking_tasnet.separation.corpora.names import below_root, check_mixture, check_talkers
from spiking_tasnet.separation.corpora.textfile import read_text

COLUMNS = ("mixture_ID", "source_1_path", "source_1_gain", "source_2_path", "source_2_gain")
NOISE_COLUMNS = ("noise_path", "noise_gain")
SEPARATORS = (",", ";", "\t")
LARGEST_FACTOR = 1e6  # on an amplitude; more is no factor, and samples must stay numbers


@dataclass(frozen=True)
class Row:
    """One row of the metadata.

    Attributes:
        name: of the mixture.
        paths: of the sources, relative to LibriSpeech, then of the noise, relative to WHAM.
        factors: on the amplitude of each.
        number: of its line, from 1; 0 for none.
    """

    name: str
    paths: tuple[str, ...]
    factors: tuple[float, ...]
    number: int = field(default=0, compare=False)

    @property
    def talkers(self) -> tuple[str, ...]:
        """LibriSpeech's talkers: `1089` of `test-clean/1089/134686/1089-134686-0000.flac`."""
        return tuple(PurePosixPath(path).stem.partition("-")[0] for path in self.paths[:2])


def read_metadata(path: Path, with_noise: bool = False, limit: int = 0) -> list[Row]:
    """Read one CSV of LibriMix.

    Columns are found by name, in any order, and may be separated by commas, semicolons or tabs; with the latter two,
    numbers may have a decimal comma. Other columns are ignored.

    Args:
        path: e.g. `libri2mix_dev-clean.csv`.
        with_noise: read the columns of the noise too.
        limit: only the first this many rows; 0 for all.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a column is missing, a factor is no number, or a name is there twice or unfit for a file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; --metadata names the folder of LibriMix's libri2mix_*.csv")
    columns = (*COLUMNS, *(NOISE_COLUMNS if with_noise else ()))
    text = read_text(path)
    header = next((line for line in text.split("\n") if line.strip()), "")
    separator = max(SEPARATORS, key=header.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    rows, names = [], {}
    try:
        places = _places(reader.fieldnames or (), columns, path)
        for cells in reader:
            if limit and len(rows) == limit:
                break
            where = f"{path}: line {reader.line_num}"
            row = _row({name: cells[place] for name, place in places.items()}, reader.line_num, separator, where)
            if row.name in names:
                raise ValueError(f"{where}: {row.name} is there twice, first in line {names[row.name]}; remove one")
            names[row.name] = row.number
            rows.append(row)
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.line_num}: no CSV ({error}); fetch the file again") from None
    if not rows:
        raise ValueError(f"{path}: no rows found; fetch it again")
    return rows


def _places(header: Sequence[str], columns: Sequence[str], path: Path) -> dict[str, str]:
    """Column -> its name in the header, letter case and spaces aside."""
    found = {name.strip().lower(): name for name in header}
    absent = [name for name in columns if name.lower() not in found]
    if absent:
        raise ValueError(f"{path}: no column {absent[0]} found, {', '.join(columns)} expected; fetch it again")
    return {name: found[name.lower()] for name in columns}


def _row(cells: Mapping[str, str | None], number: int, separator: str, where: str) -> Row:
    paths, factors = [], []
    for name, cell in cells.items():
        value = (cell or "").strip()
        if not value:
            raise ValueError(f"{where}: no {name} found; fetch the file again")
        if name.endswith("_path"):
            paths.append(below_root(value, f"{where}: {name}"))
        elif name.endswith("_gain"):
            factor = finite_number(value if separator == "," else value.replace(",", "."))
            if factor is None or abs(factor) > LARGEST_FACTOR:
                raise ValueError(f"{where}: {name} {value!r} found, a number expected; fetch the file again")
            factors.append(factor)
    row = Row((cells["mixture_ID"] or "").strip(), tuple(paths), tuple(factors), number)
    check_mixture(row.name, where)
    check_talkers(row.talkers, where)
    return row

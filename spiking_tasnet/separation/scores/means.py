"""Means of the scores of a data folder, by the genders of the talkers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from spiking_tasnet.separation.scores.rows import ScoreRow, count_failures

GROUPS = ("diff", "same", "overall")


@dataclass(frozen=True)
class Means:
    """Mean scores of a group of mixtures; None where no mixture has a finite score.

    Attributes:
        n: mixtures.
        si_sdr: dB, as are `si_sdr_i`, `sdr` and `sdr_i`; ``_i`` is the gain over the mixture.
        pesq: MOS-LQO.
        stoi: 0 to 1.
        pesq_failed: scored mixtures without a PESQ; likewise `stoi_failed` and `sdr_failed`.
        silent: mixtures with a silent estimate (-inf dB).
        unscored: mixtures without any score.
    """

    n: int
    si_sdr: float | None
    si_sdr_i: float | None
    sdr: float | None
    sdr_i: float | None
    pesq: float | None
    stoi: float | None
    pesq_failed: int
    stoi_failed: int
    sdr_failed: int
    silent: int
    unscored: int

    def score(self, name: str) -> float | None:
        """The mean of one of the scores."""
        return getattr(self, name)


Summary = dict[str, Means]  # by group


def summarise(rows: Sequence[ScoreRow]) -> Summary:
    """Average score rows by gender group; a group without mixtures is left out.

    Mixtures of unknown genders count in `overall` only. A metric's mean takes the mixtures where it is a finite
    number.
    """
    by_group = {group: [row for row in rows if group in ("overall", row.group)] for group in GROUPS}
    return {group: _means(members) for group, members in by_group.items() if members}


def _means(rows: Sequence[ScoreRow]) -> Means:
    failures = count_failures(rows)
    return Means(
        n=len(rows),
        si_sdr=_mean(rows, "si_sdr"),
        si_sdr_i=_mean(rows, "si_sdr_i"),
        sdr=_mean(rows, "sdr"),
        sdr_i=_mean(rows, "sdr_i"),
        pesq=_mean(rows, "pesq"),
        stoi=_mean(rows, "stoi"),
        pesq_failed=failures["pesq"],
        stoi_failed=failures["stoi"],
        sdr_failed=failures["sdr"],
        silent=failures["silent"],
        unscored=sum(not row.is_scored for row in rows),
    )


def _mean(rows: Iterable[ScoreRow], name: str) -> float | None:
    found = (row.scores.get(name) for row in rows)
    values = [value for value in found if value is not None and math.isfinite(value)]
    return fmean(values) if values else None

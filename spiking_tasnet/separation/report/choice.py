"""Which mixtures the listening page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spiking_tasnet.separation.scores.rows import ScoreRow

KIND_NAMES = {"FM": "a woman and a man", "MM": "two men", "FF": "two women"}


@dataclass(frozen=True)
class Pick:
    """A mixture chosen for the page: its rank among `count` mixtures like it, ordered by the SNN's SI-SDRi."""

    row: ScoreRow
    kind: str
    rank: int
    count: int


def choose(rows: Sequence[ScoreRow]) -> list[Pick]:
    """Choose typical mixtures by the SNN's SI-SDRi: neither the best nor picked by ear.

    Of mixtures of different genders those at one third and two thirds, of two men and of two women the median; of
    unknown genders those at one and two thirds.

    Args:
        rows: score rows of the SNN, with scores.
    """
    picks = []
    for name, members in _by_kind(rows).items():
        wanted = 1 if name in (KIND_NAMES["MM"], KIND_NAMES["FF"]) else 2
        # Index of the quantiles 1/2, or 1/3 and 2/3; a set, for the few mixtures of a tiny run.
        places = sorted({len(members) * (n + 1) // (wanted + 1) for n in range(wanted)})
        picks += [Pick(members[place], name, place + 1, len(members)) for place in places]
    return picks


def take(rows: Sequence[ScoreRow], utts: Sequence[str]) -> list[Pick]:
    """Take the mixtures of these ids, in this order.

    Raises:
        ValueError: one has no scores.
    """
    picks = {
        row.utt: Pick(row, name, place, len(members))
        for name, members in _by_kind(rows).items()
        for place, row in enumerate(members, start=1)
    }
    absent = [utt for utt in utts if utt not in picks]
    if absent:
        raise ValueError(f"mixture {absent[0]}: no scores of all systems found; name mixtures of the open test set")
    return [picks[utt] for utt in utts]


def _by_kind(rows: Sequence[ScoreRow]) -> dict[str, list[ScoreRow]]:
    """Rows by the name of their talkers' genders, each kind from the lowest SI-SDRi to the highest."""
    names = [*KIND_NAMES.values(), "two talkers"]
    groups: dict[str, list[ScoreRow]] = {name: [] for name in names}
    for row in rows:
        groups[KIND_NAMES.get("".join(sorted(row.genders)), names[-1])].append(row)
    return {
        name: sorted(group, key=lambda row: (row.scores["si_sdr_i"], row.utt))
        for name, group in groups.items()
        if group
    }

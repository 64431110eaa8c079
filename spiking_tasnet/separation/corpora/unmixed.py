"""Mixtures that cannot be made: the others are made, and one error names all lines to mend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiking_tasnet.files import write_text

SHOWN = 10  # reasons in the error; the file has all
LINES_SHOWN = 3  # of each reason


@dataclass(frozen=True)
class Unmixed:
    """One mixture that could not be made.

    Attributes:
        where: the line that names it, e.g. `mix_2_spk_tr.txt: line 3`.
        reason: what was found, and in which file.
    """

    where: str
    reason: str


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Name the recording in any error that its reading raises.

    Raises:
        ValueError: with what the block raised as ValueError, OSError or MemoryError.
    """
    try:
        yield
    except (ValueError, OSError, MemoryError) as error:
        reason = str(error) or "more samples than the memory holds found"
        raise ValueError(reason if str(path) in reason else f"{path}: {reason}") from None


def attempt(make: Callable[[Any], None], task: Any) -> Unmixed | None:
    """Make one mixture. Faults of its audio are returned, faults of the disk are raised."""
    try:
        make(task)
    except ValueError as error:
        return Unmixed(task.where, " ".join(str(error).split()))
    return None


def refuse(unmixed: list[Unmixed], n_tasks: int, report: Path) -> None:
    """Raise one error for all mixtures that could not be made, and list them in a file; nothing if there are none.

    Args:
        unmixed: these mixtures.
        n_tasks: how many were to be made.
        report: gets a line for each; removed if there are none.

    Raises:
        ValueError: there are some; the message counts them and names the first reasons with their lines.
    """
    if not unmixed:
        report.unlink(missing_ok=True)
        return
    write_text(report, "".join(f"{one.where}: {one.reason}\n" for one in unmixed))
    lines: dict[str, list[str]] = {}
    for one in unmixed:
        lines.setdefault(one.reason, []).append(one.where)
    reasons = [f"{reason} ({_some(where, LINES_SHOWN)})" for reason, where in lines.items()]
    raise ValueError(
        f"{len(unmixed)} of {n_tasks} mixtures cannot be made, the others are there; mend these files, or take their "
        f"lines out of the lists, and run this again (all in {report}): {_some(reasons, SHOWN, '; ')}"
    )


def _some(texts: list[str], shown: int, between: str = ", ") -> str:
    more = f"{between}and {len(texts) - shown} more" if len(texts) > shown else ""
    return between.join(texts[:shown]) + more

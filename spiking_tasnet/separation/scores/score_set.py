"""Stage 4: score a folder of separations against a Kaldi data folder, on all cores, one CSV line per mixture.

A mixture that cannot be scored has empty cells and does not stop the others; rows are kept as they are made.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spiking_tasnet import __version__
from spiking_tasnet.part import Part
from spiking_tasnet.separation.audio.pipes import Pipe, read_source
from spiking_tasnet.separation.corpora.kaldi import Utterance, read_data_dir
from spiking_tasnet.separation.journal import Journal, fingerprint, journal
from spiking_tasnet.separation.parallel import Died, parallel_results
from spiking_tasnet.separation.scores.estimates import Estimates, read_estimates
from spiking_tasnet.separation.scores.metrics import METRICS, PACKAGES, check_metrics, columns, score_mixture
from spiking_tasnet.separation.scores.rows import SCORES, ScoreRow

logger = logging.getLogger(__name__)
SHOWN = 3  # mixtures named in a warning
Source = Path | Pipe
Item = tuple[Utterance, Sequence[Source] | None]  # a mixture and its estimates


def read_sources(utterance: Utterance) -> tuple[np.ndarray, np.ndarray, int]:
    """Read a mixture and its references.

    Returns:
        Mixture (time,), references (n_src, time), sample rate in Hz.

    Raises:
        FileNotFoundError, ValueError: a file is absent, unreadable, or of another rate or length than the mixture.
    """
    mixture, sample_rate = read_source(utterance.mixture)
    sources = []
    for path in utterance.sources:
        samples, _ = read_source(path, sample_rate)
        if len(samples) != len(mixture):
            raise ValueError(
                f"{path}: {len(samples)} samples found, {len(mixture)} expected as in the mixture; run stage 0 again"
            )
        sources.append(samples)
    return mixture, np.stack(sources), sample_rate


def score_utterance(utterance: Utterance, paths: Sequence[Source] | None, metrics: Sequence[str]) -> ScoreRow:
    """Score one mixture.

    Args:
        utterance: the mixture.
        paths: its estimates; None scores the unprocessed mixture in every source's place.
        metrics: some of `METRICS`.

    Raises:
        FileNotFoundError, ValueError: audio is absent or does not fit, or a reference is silent.
    """
    mixture, sources, rate = read_sources(utterance)
    if paths is None:
        est_sources, changes = np.stack([mixture] * len(sources)), []
    else:
        est_sources, changes = read_estimates(paths, len(mixture), rate)
    perm, scores = score_mixture(est_sources, sources, mixture, rate, metrics)
    return ScoreRow(utterance.id, utterance.group, utterance.genders, perm, scores, changes=tuple(changes))


def score_set(
    data_dir: str | os.PathLike,
    est_dir: str | os.PathLike | None,
    metrics: Sequence[str] = METRICS,
    jobs: int | None = None,
    *,
    keep: str | os.PathLike | None = None,
    allow_pipes: bool = False,
    part: Part | None = None,
) -> list[ScoreRow]:
    """Score every mixture of a data folder, in its order.

    A mixture that cannot be scored gets None for every score and a `problem`; one at which a process died or ran out of
    memory is also `lost`. Warnings count them and name the first.

    Args:
        data_dir: Kaldi data folder.
        est_dir: folder of estimates, see `Estimates`; None scores the mixture itself.
        metrics: some of `METRICS`.
        jobs: processes; None for one per core.
        keep: a file that keeps the rows as they are made. A later call takes from it the rows of the same metrics whose
            audio files are the same (path, size, time of change), and makes only the others.
        allow_pipes: run the commands of an scp.
        part: score these mixtures only, and keep their rows in a file of their own, `keep.K-of-N`. A call without it
            takes in the rows of all parts.

    Raises:
        FileNotFoundError: estimates are missing; the message counts them.
        ValueError: not one mixture could be scored, or what `check_metrics` and `read_data_dir` refuse.
    """
    check_metrics(metrics)
    utterances = read_data_dir(data_dir, allow_pipes)
    if part and not (utterances := part.of(utterances)):
        return []
    estimates = None if est_dir is None else Estimates(est_dir, utterances, allow_pipes).paths
    items: list[Item] = [
        (utterance, None if estimates is None else estimates[utterance.id]) for utterance in utterances
    ]
    _check_rate(utterances[0], metrics)
    settings = {"metrics": columns(metrics), "version": __version__}
    with nullcontext() if keep is None else journal(Path(keep), settings, part) as kept:
        rows = _score_items(items, metrics, jobs, kept)
    problems = {row.utt: row.problem for row in rows if row.problem}
    if len(problems) == len(rows):
        raise ValueError(f"not one of {len(rows)} mixtures could be scored; {_first(problems)}")
    if problems:
        logger.warning("%d of %d mixtures not scored, cells empty: %s", len(problems), len(rows), _first(problems))
    changes = {row.utt: "; ".join(row.changes) for row in rows if row.changes}
    if changes:
        logger.warning("estimates of %d of %d mixtures fitted: %s", len(changes), len(rows), _first(changes))
    return rows


def lost_mixtures(rows: Iterable[ScoreRow]) -> dict[str, str]:
    """Mixtures at which a process died or ran out of memory, each with the reason."""
    return {row.utt: row.problem for row in rows if row.lost}


def _score_items(
    items: list[Item],
    metrics: Sequence[str],
    jobs: int | None,
    kept: Journal | None,
) -> list[ScoreRow]:
    """Score what `kept` does not hold already; keep what could be scored."""
    prints = [_fingerprints(utterance, paths) if kept else [] for utterance, paths in items]
    rows: dict[int, ScoreRow] = {}
    for index, (utterance, _) in enumerate(items):
        row = _kept_row(kept, utterance, prints[index]) if kept else None
        if row is not None:
            rows[index] = row
    due = [index for index in range(len(items)) if index not in rows]
    if rows:
        logger.info("%d of %d mixtures were scored before; going on", len(rows), len(items))
    score_one = partial(_score_item, metrics=tuple(metrics))
    prepare = partial(_load_packages, tuple(metrics))
    todo = [items[index] for index in due]
    for place, row in parallel_results(score_one, todo, jobs, desc="score", unit="mixture", prepare=prepare):
        index = due[place]
        if isinstance(row, (Died, MemoryError)):
            reason = str(row) if isinstance(row, Died) else "out of memory; give a smaller --jobs"
            row = _unscored(items[index][0], metrics, reason, lost=True)
        elif isinstance(row, Exception):
            raise row
        elif kept and not row.problem:
            kept.add(row.utt, {"files": prints[index], "row": _flat(row)})
        rows[index] = row
    return [rows[index] for index in range(len(items))]


def _score_item(item: Item, metrics: Sequence[str]) -> ScoreRow:
    try:
        return score_utterance(*item, metrics)
    except (OSError, ValueError) as error:
        return _unscored(item[0], metrics, " ".join(str(error).split()))


def _unscored(utterance: Utterance, metrics: Sequence[str], problem: str, lost: bool = False) -> ScoreRow:
    scores: dict[str, float | None] = dict.fromkeys(columns(metrics))
    return ScoreRow(utterance.id, utterance.group, utterance.genders, (), scores, problem=problem, lost=lost)


def _flat(row: ScoreRow) -> dict[str, Any]:
    """A scored row as JSON of the journal."""
    return {"perm": row.perm, **row.scores, "changes": row.changes}


def _fingerprints(utterance: Utterance, paths: Sequence[Source] | None) -> list[Any]:
    """Identify the state of all audio that a row depends on."""
    files = [utterance.mixture, *utterance.sources, *(paths or ())]
    return [str(file) if isinstance(file, Pipe) else fingerprint(file) for file in files]


def _kept_row(kept: Journal, utterance: Utterance, prints: list[Any]) -> ScoreRow | None:
    """The row of an earlier run, if its audio is the same."""
    entry = kept.entries.get(utterance.id)
    if entry is None or entry.get("files") != prints or None in prints:
        return None
    row = entry["row"]
    scores = {name: row[name] for name in SCORES if name in row}
    perm, changes = tuple(row["perm"]), tuple(row.get("changes", ()))
    return ScoreRow(utterance.id, utterance.group, utterance.genders, perm, scores, changes=changes)


def _check_rate(utterance: Utterance, metrics: Sequence[str]) -> None:
    """Refuse a metric that is not defined at the rate of the first mixture, before all others fail for it."""
    try:
        _, rate = read_source(utterance.mixture)
    except (OSError, ValueError):
        return
    check_metrics(metrics, rate)


def _load_packages(metrics: Sequence[str]) -> None:
    """Import the metrics' packages before the first mixture."""
    for name in metrics:
        if name in PACKAGES:
            importlib.import_module(PACKAGES[name])


def _first(reasons: dict[str, str]) -> str:
    """Name the first few mixtures with what happened to them."""
    shown = [f"{name} ({reason})" for name, reason in list(reasons.items())[:SHOWN]]
    return ", ".join(shown) + (", ..." if len(reasons) > SHOWN else "")

"""Score a folder of separations against a Kaldi data folder, on all cores, one CSV line a mixture."""

from __future__ import annotations

import csv
import importlib
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from spiking_tasnet.files import whole_file
from spiking_tasnet.separation.audio import read_mono
from spiking_tasnet.separation.kaldi import Utterance, read_data_dir
from spiking_tasnet.separation.metrics import METRICS, PACKAGES, check_metrics, score_mixture
from spiking_tasnet.separation.parallel import parallel_map

DESCRIPTION_COLUMNS = ("utt", "group", "genders", "perm")


def estimate_paths(est_dir: str | os.PathLike, utterance: Utterance) -> list[Path]:
    """Return where the separated sources of a mixture lie: `<est_dir>/s1/<utt>.wav`, `<est_dir>/s2/<utt>.wav`, ..."""
    return [Path(est_dir) / f"s{n}" / f"{utterance.id}.wav" for n in range(1, len(utterance.sources) + 1)]


def read_sources(utterance: Utterance) -> tuple[np.ndarray, np.ndarray, int]:
    """Read a mixture and its references.

    Returns:
        Mixture (time,), references (n_src, time), sample rate in Hz.

    Raises:
        FileNotFoundError, ValueError: a file is absent, unreadable, or of another rate or length than the mixture.
    """
    mixture, sample_rate = read_mono(utterance.mixture)
    sources = [_read_like(path, mixture, sample_rate, "run stage 0 again") for path in utterance.sources]
    return mixture, np.stack(sources), sample_rate


def read_estimates(est_dir: str | os.PathLike, utterance: Utterance, mixture: np.ndarray, rate: int) -> np.ndarray:
    """Read the separated sources (n_src, time) of one mixture (time,), which must have its length and rate (Hz).

    Raises:
        FileNotFoundError, ValueError: a file is absent, unreadable, or of another rate or length than the mixture.
    """
    paths = estimate_paths(est_dir, utterance)
    return np.stack([_read_like(path, mixture, rate, "run stage 3 (separate) again") for path in paths])


def score_utterance(utterance: Utterance, est_dir: str | os.PathLike | None, metrics: Sequence[str]) -> dict:
    """Score one mixture; `est_dir` None scores the unprocessed mixture in every source's place.

    Returns:
        The CSV row as a dict: `DESCRIPTION_COLUMNS` and `columns(metrics)`.
    """
    mixture, sources, rate = read_sources(utterance)
    if est_dir is None:
        est_sources = np.stack([mixture] * len(sources))
    else:
        est_sources = read_estimates(est_dir, utterance, mixture, rate)
    try:
        scores = score_mixture(est_sources, sources, mixture, rate, metrics)
    except ValueError as error:
        raise ValueError(f"{utterance.id}: {error}") from None
    return {"utt": utterance.id, "group": utterance.group, "genders": " ".join(utterance.genders), **scores}


def score_set(
    data_dir: str | os.PathLike,
    est_dir: str | os.PathLike | None,
    metrics: Sequence[str] = METRICS,
    jobs: int | None = None,
) -> list[dict]:
    """Score every mixture of a data folder, in its order.

    Args:
        data_dir: Kaldi data folder.
        est_dir: folder of `s1/`, `s2/`; None scores the mixture itself.
        metrics: some of `METRICS`.
        jobs: processes; None for one a core.

    Raises:
        FileNotFoundError: estimates are missing; the message counts them.
        ValueError: see `score_mixture`; the message names the mixture.
    """
    check_metrics(metrics)
    utterances = read_data_dir(data_dir)
    if est_dir is not None:
        _check_complete(Path(est_dir), utterances)
    score_one = partial(score_utterance, est_dir=est_dir, metrics=tuple(metrics))
    prepare = partial(_load_packages, tuple(metrics))
    return parallel_map(score_one, utterances, jobs, desc="score", unit="mixture", prepare=prepare)


def write_scores(path: str | os.PathLike, rows: list[dict]) -> None:
    """Write rows of `score_set` as CSV, whole or not at all; `None` becomes an empty cell, dB and scores 4 decimals."""
    names = list(rows[0])
    with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        names = [*DESCRIPTION_COLUMNS, *(name for name in names if name not in DESCRIPTION_COLUMNS)]
        writer.writerow(names)
        writer.writerows([_cell(row[name]) for name in names] for row in rows)


def count_failures(rows: list[dict]) -> dict[str, int]:
    """Count the mixtures of which a score is missing: `pesq`, `stoi`, and `silent` for a silent estimate."""
    failures = {name: sum(name in row and row[name] is None for row in rows) for name in ("pesq", "stoi")}
    return {**failures, "silent": sum(row["si_sdr"] == float("-inf") for row in rows)}


def _load_packages(metrics: Sequence[str]) -> None:
    """Import the metrics' packages before the first mixture."""
    for name in metrics:
        if name in PACKAGES:
            importlib.import_module(PACKAGES[name])


def _read_like(path: Path, mixture: np.ndarray, sample_rate: int, remedy: str) -> np.ndarray:
    """Read a mono file that must have the length (samples) and rate (Hz) of the mixture."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; {remedy}")
    samples, _ = read_mono(path, sample_rate)
    if len(samples) != len(mixture):
        raise ValueError(f"{path}: {len(samples)} samples found, {len(mixture)} expected as in the mixture; {remedy}")
    return samples


def _check_complete(est_dir: Path, utterances: Sequence[Utterance]) -> None:
    """Raise FileNotFoundError unless every estimate is there, before hours of scoring."""
    missing = [path for utterance in utterances for path in estimate_paths(est_dir, utterance) if not path.is_file()]
    if missing:
        total = sum(len(utterance.sources) for utterance in utterances)
        raise FileNotFoundError(
            f"{est_dir}: {len(missing)} of {total} separated files are missing, the first is {missing[0]}; "
            "run stage 3 (separate) again"
        )


def _cell(value) -> str:
    """Write one CSV cell."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)

"""The listening page: one self-contained HTML file with players, spectrograms and scores of a few mixtures.

Everything is inside the file (base64 WAV and PNG), so it plays when opened from disk, without a network.
"""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spiking_tasnet.files import write_text
from spiking_tasnet.separation.corpora.kaldi import Utterance, read_data_dir
from spiking_tasnet.separation.report.media import data_uri, rms, spectrogram_png, wav_bytes
from spiking_tasnet.separation.report.page_style import PAGE
from spiking_tasnet.separation.report.results import SYSTEMS, Experiment, Row
from spiking_tasnet.separation.report.tables import DECIMALS, METRIC_NAMES, SYSTEM_NAMES, TABLE_METRICS, number
from spiking_tasnet.separation.scores.estimates import Estimates, read_estimates
from spiking_tasnet.separation.scores.metrics import best_permutation, is_silent, si_sdr
from spiking_tasnet.separation.scores.score_set import read_sources

MAX_SAMPLES = 64_000  # a player; 8 s at 8 kHz: four mixtures of seven players stay under 8 MB
PEAK = 0.9  # of the loudest signal of an example
NETWORKS = ("ann", "snn")
KIND_NAMES = {"FM": "a woman and a man", "MM": "two men", "FF": "two women"}


@dataclass(frozen=True)
class Pick:
    """A mixture chosen for the page: its place among `count` mixtures like it, ordered by the SNN's SI-SDRi."""

    row: Row
    kind: str
    rank: int
    count: int


def choose(rows: Sequence[Row]) -> list[Pick]:
    """Choose typical mixtures by the SNN's SI-SDRi: neither the best nor picked by ear.

    Of mixtures of different genders those at one third and two thirds, of two men and of two women the median; of
    unknown genders those at one and two thirds.

    Args:
        rows: score rows of the SNN, with scores.
    """
    by_kind: dict[str, list[Row]] = {}
    for row in rows:
        kind = "".join(sorted(row["genders"]))
        by_kind.setdefault(kind if kind in KIND_NAMES else "", []).append(row)
    picks = []
    for kind in (*KIND_NAMES, ""):
        members = sorted(by_kind.get(kind, []), key=lambda row: (row["si_sdr_i"], row["utt"]))
        wanted = 1 if kind in ("MM", "FF") else 2
        # Index of the quantiles 1/2, or 1/3 and 2/3; a set, for the few mixtures of a tiny run.
        places = sorted({len(members) * (n + 1) // (wanted + 1) for n in range(wanted)}) if members else []
        name = KIND_NAMES.get(kind, "two talkers")
        picks += [Pick(members[place], name, place + 1, len(members)) for place in places]
    return picks


def write_page(
    path: str | os.PathLike, experiment: Experiment, data_dir: str | os.PathLike, allow_pipes: bool = False
) -> None:
    """Write the listening page of an experiment's open condition.

    Args:
        path: the HTML file.
        experiment: with scores of the open condition; its separated audio lies in `separated/{ann,snn}/tt`.
        data_dir: the data folder of stage 0, which holds `tt`.
        allow_pipes: run the commands of an scp.

    Raises:
        FileNotFoundError, ValueError: audio is missing or does not fit; the message names the file.
    """
    utterances = {utterance.id: utterance for utterance in read_data_dir(Path(data_dir) / "tt", allow_pipes)}
    scores = {system: {row["utt"]: row for row in rows} for system, rows in experiment.rows["open"].items()}
    examples = []
    whole = [row for row in experiment.rows["open"]["snn"] if _is_scored(row["utt"], scores)]
    for place, pick in enumerate(choose(whole), start=1):
        name = pick.row["utt"]
        if name not in utterances:
            raise ValueError(f"{data_dir}/tt: mixture {name} of the scores is not there; run stage 4 (score) again")
        own_scores = {system: scores[system][name] for system in SYSTEMS}
        examples.append(_example(place, pick, utterances[name], own_scores, experiment.folder))
    title = f"{experiment.folder.resolve().name}: two voices, separated by spikes"
    page = PAGE.substitute(
        title=html.escape(title),
        summary=_summary(experiment),
        closed_talkers=experiment.closed_talkers,
        examples="\n".join(examples),
    )
    write_text(path, page)


def common_gain(signals: Sequence[np.ndarray]) -> float:
    """Return the one gain that brings the loudest sample of an example's signals to `PEAK`."""
    peak = max(float(np.max(np.abs(signal))) for signal in signals)
    return PEAK / peak if peak > 0 else 1.0


def matched(est_sources: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Put estimates in the order of their references and at their level (RMS); both (n_src, time).

    Training leaves the level free, so the estimates' own means nothing.
    """
    ordered = est_sources[list(best_permutation(est_sources, sources))]
    gains = [rms(ref) / rms(est) if rms(est) else 1.0 for est, ref in zip(ordered, sources, strict=True)]
    return ordered * np.array(gains)[:, None]


def _is_scored(name: str, scores: dict[str, dict[str, Row]]) -> bool:
    """Whether every system has a score of a mixture."""
    return all(rows[name]["si_sdr_i"] is not None for rows in scores.values())


def _example(place: int, pick: Pick, utterance: Utterance, scores: dict[str, Row], folder: Path) -> str:
    """One mixture: its scores, then players of mixture, references, ANN and SNN."""
    mixture, sources, rate = read_sources(utterance)
    networks = {}
    for system in NETWORKS:
        paths = Estimates(folder / "separated" / system / "tt", [utterance]).paths[utterance.id]
        estimates, _ = read_estimates(paths, len(mixture), rate)
        networks[system] = matched(estimates, sources)
    gain = common_gain([mixture, *sources, *(est for system in NETWORKS for est in networks[system])])
    level = gain * np.max(np.abs(mixture)) if np.max(np.abs(mixture)) else 1.0

    def player(signal: np.ndarray, label: str, note: str = "") -> str:
        return _player(gain * signal[:MAX_SAMPLES], rate, label, note, f"example {place}", level)

    columns = [[player(mixture, "Mixture")]]
    columns.append([player(ref, f"Talker {n}: reference") for n, ref in enumerate(sources, start=1)])
    for system in NETWORKS:
        column = []
        for n, (est, ref) in enumerate(zip(networks[system], sources, strict=True), start=1):
            note = "silent" if is_silent(est) else f"SI-SDR {si_sdr(est, ref):.1f} dB"
            column.append(player(est, f"Talker {n}: {SYSTEM_NAMES[system]}", note))
        columns.append(column)
    seconds = len(mixture) / rate
    shown = f"{seconds:.1f} s" if len(mixture) <= MAX_SAMPLES else f"first {MAX_SAMPLES / rate:.0f} of {seconds:.1f} s"
    ordinal = f"number {pick.rank} of {pick.count} such mixtures by the SNN’s SI-SDRi, from the lowest"
    rows = [[SYSTEM_NAMES[system], *(_cell(scores[system].get(m), m) for m in TABLE_METRICS)] for system in SYSTEMS]
    table = _table(["", *(METRIC_NAMES[m] for m in TABLE_METRICS)], rows, f"Scores of example {place}")
    rest = "".join(f'<div class="talker">{"".join(cards)}</div>' for cards in zip(*columns[1:], strict=True))
    return (
        f'<section aria-labelledby="ex{place}"><h2 id="ex{place}">Example {place}: {pick.kind}</h2>'
        f'<p class="note">{shown}; {ordinal}. <code>{html.escape(utterance.id)}</code></p>'
        f'<div class="top">{columns[0][0]}{table}</div>{rest}</section>'
    )


def _player(signal: np.ndarray, rate: int, label: str, note: str, where: str, level: float) -> str:
    """A spectrogram with axes above an audio player."""
    seconds, top_khz = len(signal) / rate, rate / 2000
    picture = data_uri(spectrogram_png(signal, rate, level), "image/png")
    sound = data_uri(wav_bytes(signal, rate), "audio/wav")
    label, described = html.escape(label), html.escape(f"{label}, {where}")
    return (
        f'<figure><figcaption><span class="label">{label}</span><span class="note">{note}</span></figcaption>'
        f'<div class="plot"><div class="khz" aria-hidden="true"><span>{top_khz:g} kHz</span>'
        f'<span>{top_khz / 2:g}</span><span>0</span></div><div class="picture">'
        f'<img src="{picture}" alt="Spectrogram of {described}">'
        f'<i class="head"></i></div><div class="seconds" aria-hidden="true"><span>0</span>'
        f"<span>{seconds / 2:.1f}</span><span>{seconds:.1f} s</span></div></div>"
        f'<audio controls preload="auto" aria-label="{described}" src="{sound}"></audio></figure>'
    )


def _summary(experiment: Experiment) -> str:
    """The overall means of both conditions."""
    rows = []
    for condition in ("open", "closed"):
        for system in SYSTEMS:
            overall = experiment.results[condition][system]["overall"]
            rows.append([condition, SYSTEM_NAMES[system], *(_cell(overall[m], m) for m in TABLE_METRICS)])
    return _table(["talkers", "system", *(METRIC_NAMES[m] for m in TABLE_METRICS)], rows, "Means over all mixtures")


def _cell(value: float | None, metric: str) -> str:
    return number(value, DECIMALS[metric])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """Lay out an HTML table; the cells of the first column head their rows."""
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    body = ""
    for row in rows:
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        body += f'<tr><th scope="row">{html.escape(row[0])}</th>{cells}</tr>'
    return (
        f'<div class="scroll"><table><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )

"""The listening page: one HTML file with players, spectrograms and scores of a few mixtures.

Sounds and pictures are inside the file (base64), so it plays when opened from disk, without a network; or they are
small files beside it, for a page among documents. `page.html.j2` lays it out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spiking_tasnet.files import whole_file, write_text
from spiking_tasnet.report.templates import templates_in
from spiking_tasnet.separation.audio.files import audio_seconds
from spiking_tasnet.separation.audio.pipes import Pipe, read_source
from spiking_tasnet.separation.corpora.kaldi import Utterance, read_data_dir
from spiking_tasnet.separation.report.choice import Pick, choose, take
from spiking_tasnet.separation.report.media import data_uri, rms, sound_bytes, spectrogram_png
from spiking_tasnet.separation.report.results import SYSTEMS, Experiment
from spiking_tasnet.separation.report.tables import (
    DECIMALS,
    METRIC_NAMES,
    SYSTEM_NAMES,
    TABLE_METRICS,
    number,
    score,
)
from spiking_tasnet.separation.scores.estimates import Estimates, read_estimates
from spiking_tasnet.separation.scores.metrics import best_permutation, is_silent, si_sdr
from spiking_tasnet.separation.scores.rows import ScoreRow
from spiking_tasnet.separation.scores.score_set import read_sources

MAX_SAMPLES = 64_000  # of a player; 8 s at 8 kHz: four mixtures of seven players stay under 8 MB
PEAK = 0.9  # of the loudest signal of an example
NETWORKS = ("ann", "snn")
# How the examples were chosen: by `choose`, or by `take`.
BY_SCORE = "were chosen by score, not by ear: typical mixtures of each kind, ranked by the SNN’s SI-SDRi"
BY_HAND = "were chosen by hand"

Keep = Callable[[str, bytes, str], str]  # name without suffix, content, media type -> address


@dataclass(frozen=True)
class Table:
    """A table; the cells of the first column head their rows."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Player:
    """A sound with its spectrogram.

    Attributes:
        label: above the picture.
        note: beside the label.
        description: for screen readers.
        picture: address of the spectrogram.
        sound: address of the audio.
        seconds: duration.
        top_khz: highest frequency of the spectrogram.
    """

    label: str
    note: str
    description: str
    picture: str
    sound: str
    seconds: float
    top_khz: float


@dataclass(frozen=True)
class Example:
    """One mixture: its scores, its player, and for each talker the players of reference, ANN and SNN."""

    utt: str
    kind: str
    shown: str
    rank: str
    scores: Table
    mixture: Player
    talkers: Sequence[Sequence[Player]]


@dataclass(frozen=True)
class Page:
    """What `page.html.j2` shows."""

    title: str
    summary: Table
    closed_talkers: str
    choice: str
    credit: str
    format: str
    examples: Sequence[Example]


def write_page(
    path: str | os.PathLike,
    experiment: Experiment,
    data_dir: str | os.PathLike,
    allow_pipes: bool = False,
    *,
    utts: Sequence[str] = (),
    longest: float | None = None,
    embedded: bool = True,
    credit: str = "",
) -> None:
    """Write the listening page of an experiment's open condition.

    Args:
        path: the HTML file.
        experiment: with scores of the open condition; its separated audio lies in `separated/{ann,snn}/tt`.
        data_dir: the data folder of stage 0, which holds `tt`.
        allow_pipes: run the commands of an scp.
        utts: ids of the mixtures to show; none chooses typical ones.
        longest: seconds; typical ones are chosen of the mixtures that last no longer.
        embedded: put sounds (WAV) and pictures (PNG) inside the file; False writes them as small files (FLAC, PNG) into
            a folder beside it, named like it.
        credit: attribution of the recordings, shown on the page.

    Raises:
        FileNotFoundError, ValueError: audio is missing or does not fit; the message names the file. Or no mixture is so
            short.
    """
    path = Path(path)
    utterances = {utterance.id: utterance for utterance in read_data_dir(Path(data_dir) / "tt", allow_pipes)}
    scores = {system: {row.utt: row for row in rows} for system, rows in experiment.rows["open"].items()}
    whole = [row for row in experiment.rows["open"]["snn"] if all(rows[row.utt].is_scored for rows in scores.values())]
    if longest is not None:
        whole = [row for row in whole if row.utt in utterances and _seconds(utterances[row.utt].mixture) <= longest]
        if not whole:
            raise ValueError(f"{data_dir}/tt: no mixture of at most {longest:g} s found; allow longer ones")
    keep = _embed if embedded else _folder(path.with_suffix(""))
    examples = []
    for place, pick in enumerate(take(whole, utts) if utts else choose(whole), start=1):
        name = pick.row.utt
        if name not in utterances:
            raise ValueError(f"{data_dir}/tt: mixture {name} of the scores is not there; run stage 4 (score) again")
        own_scores = {system: scores[system][name] for system in SYSTEMS}
        sound_type = "audio/wav" if embedded else "audio/flac"
        examples.append(_example(place, pick, utterances[name], own_scores, experiment.folder, keep, sound_type))
    page = Page(
        title=f"{experiment.folder.resolve().name}: two voices, separated by spikes",
        summary=_summary(experiment),
        closed_talkers=experiment.closed_talkers if "closed" in experiment.results else "",
        choice=BY_HAND if utts else BY_SCORE + (f", of those of at most {longest:g} s" if longest is not None else ""),
        credit=credit,
        format="16-bit WAV inside the page" if embedded else "FLAC",
        examples=examples,
    )
    write_text(path, render(page))


def _seconds(mixture: Path | Pipe) -> float:
    if isinstance(mixture, Path):
        return audio_seconds(mixture)
    samples, rate = read_source(mixture)
    return len(samples) / rate


def render(page: Page) -> str:
    """Lay out the page as HTML; all text is escaped."""
    templates = templates_in(Path(__file__).parent, autoescape=True, keep_trailing_newline=True)
    return templates.get_template("page.html.j2").render(page=page)


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


def _embed(name: str, content: bytes, media_type: str) -> str:
    """Keep a sound or picture inside the page."""
    return data_uri(content, media_type)


def _folder(folder: Path) -> Keep:
    """Keep sounds and pictures as files of a folder beside the page."""

    def keep(name: str, content: bytes, media_type: str) -> str:
        file = folder / f"{name}.{media_type.partition('/')[2]}"
        with whole_file(file) as temporary:
            temporary.write_bytes(content)
        return f"{folder.name}/{file.name}"

    return keep


def _example(
    place: int,
    pick: Pick,
    utterance: Utterance,
    scores: dict[str, ScoreRow],
    folder: Path,
    keep: Keep,
    sound_type: str,
) -> Example:
    mixture, sources, rate = read_sources(utterance)
    networks = {}
    for system in NETWORKS:
        paths = Estimates(folder / "separated" / system / "tt", [utterance]).paths[utterance.id]
        estimates, _ = read_estimates(paths, len(mixture), rate)
        networks[system] = matched(estimates, sources)
    gain = common_gain([mixture, *sources, *(est for system in NETWORKS for est in networks[system])])
    level = gain * float(np.max(np.abs(mixture))) or 1.0

    def player(signal: np.ndarray, label: str, note: str = "") -> Player:
        shown = gain * signal[:MAX_SAMPLES]
        name = f"example{place}-" + re.sub(r"\W+", "-", label).lower()
        return Player(
            label=label,
            note=note,
            description=f"{label}, example {place}",
            picture=keep(name, spectrogram_png(shown, rate, level), "image/png"),
            sound=keep(name, sound_bytes(shown, rate, sound_type), sound_type),
            seconds=len(shown) / rate,
            top_khz=rate / 2000,
        )

    talkers = []
    for n, ref in enumerate(sources, start=1):
        players = [player(ref, f"Talker {n}: reference")]
        for system in NETWORKS:
            est = networks[system][n - 1]
            note = "silent" if is_silent(est) else f"SI-SDR {si_sdr(est, ref):.1f} dB"
            players.append(player(est, f"Talker {n}: {SYSTEM_NAMES[system]}", note))
        talkers.append(players)
    seconds = len(mixture) / rate
    length = f"{seconds:.1f} s"
    if len(mixture) > MAX_SAMPLES:
        length = f"first {MAX_SAMPLES / rate:.0f} of {length}"
    rows = [
        [SYSTEM_NAMES[system], *(number(scores[system].scores.get(m), DECIMALS[m]) for m in TABLE_METRICS)]
        for system in SYSTEMS
    ]
    return Example(
        utt=utterance.id,
        kind=pick.kind,
        shown=length,
        rank=f"number {pick.rank} of {pick.count} such mixtures by the SNN’s SI-SDRi, from the lowest",
        scores=Table(f"Scores of example {place}", ["", *(METRIC_NAMES[m] for m in TABLE_METRICS)], rows),
        mixture=player(mixture, "Mixture"),
        talkers=talkers,
    )


def _summary(experiment: Experiment) -> Table:
    """The overall means of both conditions."""
    rows = [
        [condition, SYSTEM_NAMES[system]]
        + [score(experiment.results[condition][system], "overall", m) for m in TABLE_METRICS]
        for condition in ("open", "closed")
        if condition in experiment.results
        for system in SYSTEMS
    ]
    return Table("Means over all mixtures", ["talkers", "system", *(METRIC_NAMES[m] for m in TABLE_METRICS)], rows)

"""Libri2Mix by LibriMix's published metadata (https://github.com/JorisCos/LibriMix, MIT) over LibriSpeech (CC BY 4.0).

A row of the CSV names two utterances and, of WHAM's noise (CC BY-NC 4.0), one recording, with a factor for each. They
are scaled, resampled, cut or padded to one length, and summed: `mix_clean` without the noise, `mix_both` with it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from spiking_tasnet.part import Part
from spiking_tasnet.separation.audio.files import read_audio, read_mono, write_audio
from spiking_tasnet.separation.corpora.genders import report_unknown, talker_genders
from spiking_tasnet.separation.corpora.kaldi import Utterance
from spiking_tasnet.separation.corpora.locate import Corpus
from spiking_tasnet.separation.corpora.metadata import Row, read_metadata
from spiking_tasnet.separation.corpora.mixing import check_heard, check_mode_and_rate, fit_lengths, rate_dir, resample
from spiking_tasnet.separation.corpora.plan import READ_AGAIN, Plan, Task, build
from spiking_tasnet.separation.corpora.unmixed import reading

logger = logging.getLogger(__name__)
ROWS = {"train-100": 13900, "train-360": 50800, "dev": 3000, "test": 3000}  # published
TRAIN_SETS = ("train-100", "train-360")
SPEECH_HINT = "--librispeech names the folder of train-clean-100, dev-clean, test-clean, ..."
NOISE_HINT = "--wham names the folder of tr, cv and tt; train-360 needs LibriMix's augmented noise (its README)"
RATE = 16000  # Hz, of LibriSpeech and of WHAM's noise
FADE = RATE // 2  # samples over which a noise that is too short runs into its own beginning


@dataclass(frozen=True)
class LibriMixSpec:
    """What to make of LibriSpeech.

    Attributes:
        librispeech: folder of train-clean-100, dev-clean, ... and SPEAKERS.TXT.
        metadata: folder of libri2mix_dev-clean.csv, ...
        data_dir: gets `wav8k/min/{train-360,dev,test}/{mix_clean,s1,s2}` (with noise `mix_both` and `noise` too) and
            the Kaldi folders `{tr,cv,tt}`.
        wham: folder of WHAM's noise, `tr`, `cv` and `tt`; then the Kaldi folders name `mix_both`. None: no noise.
        train_set: one of `TRAIN_SETS`.
        sample_rate: Hz.
        mode: ``min`` or ``max``.
        limit: only the first this many rows of each subset; 0 for all.
    """

    librispeech: Path
    metadata: Path
    data_dir: Path
    wham: Path | None = None
    train_set: str = "train-360"
    sample_rate: int = 8000
    mode: str = "min"
    limit: int = 0

    @property
    def subsets(self) -> dict[str, str]:
        """Kaldi folder -> LibriMix's name."""
        return {"tr": self.train_set, "cv": "dev", "tt": "test"}


def build_librimix(spec: LibriMixSpec, jobs: int | None = None, part: Part | None = None) -> None:
    """Make the mixtures of the three subsets and their Kaldi folders. What is there already is not made again.

    Args:
        spec: corpus, metadata and what to make.
        jobs: processes; None for one per core.
        part: make only these mixtures, and write no Kaldi folder.

    Raises:
        FileNotFoundError: corpus, metadata or a listed file is missing; the message counts and names them.
        ValueError: bad audio or metadata, naming it; mixtures of other settings are already there.
        OSError: the disk is too full.
    """
    build(plan_librimix(spec), jobs, part)


def plan_librimix(spec: LibriMixSpec) -> Plan:
    """Read metadata and genders and find the files; see `build_librimix` for what it raises."""
    check_mode_and_rate(spec.mode, spec.sample_rate)
    if spec.train_set not in TRAIN_SETS:
        raise ValueError(f"--train-set {spec.train_set!r} found, {' or '.join(TRAIN_SETS)} expected")
    for folder, option in ((spec.librispeech, "--librispeech"), (spec.wham, "--wham")):
        if folder is not None and not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder; check {option}")
    with_noise = spec.wham is not None
    rows = {
        subset: read_metadata(spec.metadata / _csv_name(name), with_noise, spec.limit)
        for subset, name in spec.subsets.items()
    }
    for subset, name in spec.subsets.items():
        if not spec.limit and len(rows[subset]) != ROWS[name]:
            logger.warning("%s: %d mixtures found, %d expected in Libri2Mix", name, len(rows[subset]), ROWS[name])
    speech, noise = zip(*((row.paths[:2], row.paths[2:]) for some in rows.values() for row in some), strict=True)
    files = Corpus(spec.librispeech).find_all({path for paths in speech for path in paths}, SPEECH_HINT)
    if spec.wham is not None:
        files |= Corpus(spec.wham).find_all({path for paths in noise for path in paths}, NOISE_HINT)
    genders = talker_genders(spec.librispeech)
    report_unknown({talker for some in rows.values() for row in some for talker in row.talkers}, genders)
    audio_dir = spec.data_dir / rate_dir(spec.sample_rate) / spec.mode

    def task(subset: str, row: Row) -> Task:
        def place(folder: str) -> Path:
            return audio_dir / subset / folder / f"{row.name}.wav"

        pair = tuple(genders.get(talker, "?") for talker in row.talkers)
        utterance = Utterance(
            row.name,
            place("mix_both" if with_noise else "mix_clean"),
            (place("s1"), place("s2")),
            row.talkers,
            pair,
            place("noise") if with_noise else None,
        )
        extras = (place("mix_clean"),) if with_noise else ()
        where = f"{_csv_name(subset)}: line {row.number}"
        return Task(row, tuple(files[path] for path in row.paths), utterance, where, extras)

    return Plan(
        spec.data_dir,
        audio_dir,
        {
            "librispeech": str(spec.librispeech.resolve()),
            "noise": str(spec.wham.resolve()) if spec.wham else "none",
        },
        spec.sample_rate,
        spec.mode,
        {subset: [task(name, row) for row in rows[subset]] for subset, name in spec.subsets.items()},
        mix_task,
    )


def mix_task(sample_rate: int, mode: str, task: Task) -> None:
    """Make the files of one mixture. What the published factors leave beyond full scale is clipped, as LibriMix does.

    Raises:
        ValueError: a file that cannot be used, by name.
    """
    with_noise = task.utterance.noise is not None
    signals: list[np.ndarray] = []
    for path in task.speech:
        with reading(path):
            signals.append(_read_source(path))
    if with_noise:
        with reading(task.files[2]):
            signals.append(read_noise(task.files[2], max(map(len, signals))))
    scaled = [signal * factor for signal, factor in zip(signals, task.line.factors, strict=True)]
    fitted = fit_lengths([resample(signal, RATE, sample_rate) for signal in scaled], mode)
    try:
        check_heard(fitted[:2])
    except ValueError as error:
        raise ValueError(f"{task.line.name}: {error}") from None
    sums = [fitted[:2].sum(axis=0), fitted.sum(axis=0)] if with_noise else [fitted.sum(axis=0)]
    for path, samples in zip(task.outputs, [*fitted, *sums], strict=True):
        write_audio(path, samples.clip(-1, 1), sample_rate)


def read_noise(path: Path, n_samples: int) -> np.ndarray:
    """The first channel of a recording at `RATE`, as long as asked for: (n_samples,).

    One that is too short runs on into its own beginning, as often as it takes, over fades of half a Hann window.
    """
    samples, _ = read_audio(path, RATE)
    noise = joined = samples[0].astype(np.float64)
    rise = np.hanning(2 * FADE + 1)[: FADE + 1]
    if len(noise) < n_samples and len(noise) <= len(rise):
        raise ValueError(f"{path}: {len(noise)} samples found, more than {len(rise)} expected; fetch it again")
    while len(joined) < n_samples:
        seam = joined[-len(rise) :] * rise[::-1] + noise[: len(rise)] * rise
        joined = np.concatenate([joined[: -len(rise)], seam, noise[len(rise) :]])
    return joined[:n_samples]


@lru_cache(maxsize=READ_AGAIN)
def _read_source(path: Path) -> np.ndarray:
    return read_mono(path, RATE)[0].astype(np.float64)


def _csv_name(name: str) -> str:
    """LibriMix's file of a subset: `libri2mix_train-clean-100.csv` of `train-100`, `..._dev-clean.csv` of `dev`."""
    subset = name.replace("train-", "train-clean-") if name.startswith("train-") else f"{name}-clean"
    return f"libri2mix_{subset}.csv"

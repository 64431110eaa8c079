"""Stage 0: the mixtures of MERL's lists, on all cores, and their Kaldi data folders."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from spiking_tasnet.files import read_json, write_json
from spiking_tasnet.separation.activlev import active_level
from spiking_tasnet.separation.audio import audio_seconds, read_mono, write_audio
from spiking_tasnet.separation.kaldi import Utterance, write_data_dir
from spiking_tasnet.separation.lists import SUBSETS, MixLine, read_levels, read_list
from spiking_tasnet.separation.locate import Corpus
from spiking_tasnet.separation.mixing import MODES, mix, resample
from spiking_tasnet.separation.parallel import parallel_map
from spiking_tasnet.separation.speakers import read_genders

logger = logging.getLogger(__name__)
MIN_SECONDS = 0.1  # of speech; what is shorter is a broken file
SPARE_BYTES = 100e6  # left free on the disk
UTTERANCE_HEADER = 44 + 4096  # bytes a file takes besides its samples: WAV header, half a block, folder entry


@dataclass(frozen=True)
class Mixtures:
    """What to make.

    Attributes:
        corpus: root of the paths in the lists.
        mix_lists: folder of mix_2_spk_{tr,cv,tt}.txt.
        data_dir: gets `wav8k/min/{tr,cv,tt}/{mix,s1,s2}` and the Kaldi folders `{tr,cv,tt}`.
        activlev: folder of published active levels; None measures them.
        sample_rate: Hz.
        mode: ``min`` or ``max``.
        limit: only the first this many lines of each list; 0 for all.
    """

    corpus: Path
    mix_lists: Path
    data_dir: Path
    activlev: Path | None = None
    sample_rate: int = 8000
    mode: str = "min"
    limit: int = 0

    @property
    def audio_dir(self) -> Path:
        """Where the WAV files go, by MERL's names of rate and mode."""
        return self.data_dir / f"wav{self.sample_rate / 1000:g}k" / self.mode


@dataclass(frozen=True)
class Job:
    """A line of a list with what it stands for.

    Attributes:
        line: of the list.
        files: the sources on disk.
        levels: published active level of each source; None to measure them.
    """

    line: MixLine
    files: tuple[Path, ...]
    levels: tuple[float, ...] | None


def build_mixtures(wanted: Mixtures, jobs: int | None = None) -> None:
    """Mix every line of the three lists and write the Kaldi folders. What is there already is not made again.

    Raises:
        FileNotFoundError: corpus, list or a listed file is missing; the message counts and names them.
        ValueError: bad audio or a bad list, naming it; mixtures of other settings are already there.
        OSError: the disk is too full.
    """
    if wanted.mode not in MODES:
        raise ValueError(f"--mode {wanted.mode!r} found, min or max expected")
    if wanted.sample_rate < 1000:
        raise ValueError(f"--sample-rate {wanted.sample_rate} found, Hz expected, e.g. 8000")
    if not wanted.corpus.is_dir():
        raise FileNotFoundError(f"{wanted.corpus}: no such corpus folder; --wsj0 names the root of the lists' paths")
    lists = {subset: read_list(wanted.mix_lists / f"mix_2_spk_{subset}.txt", wanted.limit) for subset in SUBSETS}
    levels = read_levels(wanted.activlev) if wanted.activlev else None
    files = _located(wanted, lists)
    _check_levels(wanted, files, levels)
    durations = {name: audio_seconds(path) for name, path in files.items()}
    genders = read_genders(wanted.corpus)
    _check_settings(wanted)
    _announce(wanted, lists, durations)
    for subset, lines in lists.items():
        out = wanted.audio_dir / subset
        for stale in out.glob("*/.*.tmp.wav"):  # of a run that was killed
            stale.unlink(missing_ok=True)
        due = [
            Job(line, tuple(files[name] for name in line.paths), _levels_of(line, levels))
            for line in lines
            if not all(path.exists() for path in _paths(out, line))
        ]
        parallel_map(partial(mix_line, wanted, out), due, jobs, desc=f"mix {subset}", unit="mixture")
        write_data_dir(wanted.data_dir / subset, [_utterance(out, line, genders) for line in lines])


def mix_line(wanted: Mixtures, out: Path, job: Job) -> None:
    """Make the files of one mixture; the mixture itself comes last.

    Raises:
        ValueError: a source that cannot be mixed, by name.
    """
    sources, measured = [], []
    for path in job.files:
        try:
            sources.append(_read_source(path, wanted.sample_rate))
            if job.levels is None:
                measured.append(_level(path, wanted.sample_rate))
        except ValueError as error:
            raise ValueError(_named(path, error)) from None
    try:
        mixture, sources = mix(sources, job.levels or measured, job.line.gains, wanted.mode)
    except ValueError as error:
        raise ValueError(f"{job.line.name}: {error}") from None
    mixture_path, *source_paths = _paths(out, job.line)
    for path, source in zip(source_paths, sources, strict=True):
        write_audio(path, source, wanted.sample_rate)
    write_audio(mixture_path, mixture, wanted.sample_rate)


def _read_source(path: Path, sample_rate: int) -> np.ndarray:
    samples, rate = read_mono(path)
    if len(samples) < MIN_SECONDS * rate:
        raise ValueError(f"{len(samples)} samples found, at least {MIN_SECONDS} s expected; take it out of the list")
    return resample(samples.astype(np.float64), rate, sample_rate)


@cache
def _level(path: Path, sample_rate: int) -> float:
    return active_level(_read_source(path, sample_rate), sample_rate)


def _named(path: Path, error: ValueError) -> str:
    return str(error) if str(path) in str(error) else f"{path}: {error}"


def _paths(out: Path, line: MixLine) -> list[Path]:
    """The mixture and its sources."""
    folders = ["mix", *(f"s{place}" for place in range(1, len(line.paths) + 1))]
    return [out / folder / f"{line.name}.wav" for folder in folders]


def _utterance(out: Path, line: MixLine, genders: dict[str, str]) -> Utterance:
    mixture, *sources = _paths(out, line)
    sexes = tuple(genders.get(speaker.lower(), "?") for speaker in line.speakers)
    return Utterance(line.name, mixture, tuple(sources), line.speakers, sexes)


def _located(wanted: Mixtures, lists: dict[str, list[MixLine]]) -> dict[str, Path]:
    """The file of every listed name; what is missing is found here, before the work."""
    corpus = Corpus(wanted.corpus)
    names = sorted({path for lines in lists.values() for line in lines for path in line.paths})
    files = {name: corpus.find(name) for name in names}
    absent = [name for name in names if files[name] is None]
    if absent:
        raise FileNotFoundError(
            f"{wanted.corpus}: {len(absent)} of {len(names)} files that the lists name are missing, the first is "
            f"{absent[0]}; --wsj0 names the root of the lists' paths, or the folder of the LDC's discs"
        )
    return files


def _check_levels(wanted: Mixtures, files: dict[str, Path], levels: dict[str, float] | None) -> None:
    unknown = [name for name in files if levels is not None and Path(name).stem not in levels]
    if unknown:
        raise ValueError(
            f"{wanted.activlev}: {len(unknown)} of {len(files)} utterances have no level, the first is "
            f"{Path(unknown[0]).stem}; leave --activlev out to have levels measured"
        )


def _levels_of(line: MixLine, levels: dict[str, float] | None) -> tuple[float, ...] | None:
    return tuple(levels[Path(path).stem] for path in line.paths) if levels else None


def _check_settings(wanted: Mixtures) -> None:
    """Keep mixtures of different settings apart: their names are the same."""
    settings = {
        "corpus": str(wanted.corpus.resolve()),
        "levels": str(wanted.activlev.resolve()) if wanted.activlev else "measured",
        "sample_rate": wanted.sample_rate,
        "mode": wanted.mode,
    }
    path = wanted.audio_dir / "mixed_from.json"
    if path.exists() and (found := read_json(path)) != settings:
        differs = next(key for key in settings if found.get(key) != settings[key])
        raise ValueError(
            f"{wanted.audio_dir}: mixtures of {differs} {found.get(differs)} found, {settings[differs]} expected; "
            "remove that folder or give another --data-dir"
        )
    write_json(path, settings)


def _announce(wanted: Mixtures, lists: dict[str, list[MixLine]], durations: dict[str, float]) -> None:
    """Say what the mixtures cost; refuse if the disk cannot hold them."""
    pick = min if wanted.mode == "min" else max
    lines = [line for some in lists.values() for line in some]
    seconds = sum(pick(durations[path] for path in line.paths) for line in lines)
    files = sum(1 + len(line.paths) for line in lines)
    n_bytes = 2 * 3 * seconds * wanted.sample_rate + files * UTTERANCE_HEADER
    present = sum(len(list((wanted.audio_dir / subset).glob("*/*.wav"))) for subset in lists)
    due = n_bytes * max(0, 1 - present / files)
    free = shutil.disk_usage(wanted.audio_dir).free
    counts = ", ".join(f"{len(some)} {subset}" for subset, some in lists.items())
    logger.info("%s mixtures, %.2f h, %.2f GB in %s", counts, seconds / 3600, n_bytes / 1e9, wanted.audio_dir)
    if due + SPARE_BYTES > free:
        raise OSError(
            f"{wanted.audio_dir}: {free / 1e9:.2f} GB free, {(due + SPARE_BYTES) / 1e9:.2f} GB expected; "
            "make room, take a --limit, or give another --data-dir"
        )

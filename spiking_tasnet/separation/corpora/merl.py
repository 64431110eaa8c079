"""WSJ0-2mix by MERL's procedure: MERL's lists over WSJ0, or lists of that format over any corpus."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from spiking_tasnet.part import Part
from spiking_tasnet.separation.audio.files import read_mono, write_audio
from spiking_tasnet.separation.corpora.active_level import active_level
from spiking_tasnet.separation.corpora.census import readable_seconds, report_corpus, report_list
from spiking_tasnet.separation.corpora.genders import report_unknown, talker_genders
from spiking_tasnet.separation.corpora.kaldi import Utterance
from spiking_tasnet.separation.corpora.levels import MEASURED, choose_levels
from spiking_tasnet.separation.corpora.locate import Corpus
from spiking_tasnet.separation.corpora.merl_lists import SUBSETS, MixLine, read_list
from spiking_tasnet.separation.corpora.mixing import check_mode_and_rate, mix, rate_dir, resample
from spiking_tasnet.separation.corpora.plan import READ_AGAIN, Plan, Task, build
from spiking_tasnet.separation.corpora.unmixed import reading

MIN_SECONDS = 0.1  # of speech; what is shorter is a broken file
LEVEL_RATE = 8000  # Hz: MERL scales the 16 kHz files by the level of the 8 kHz ones


@dataclass(frozen=True)
class MerlSpec:
    """What to make of WSJ0, or of another corpus with lists in MERL's format.

    Attributes:
        corpus: root of the paths in the lists.
        mix_lists: folder of mix_2_spk_{tr,cv,tt}.txt.
        data_dir: gets `wav8k/min/{tr,cv,tt}/{mix,s1,s2}` and the Kaldi folders `{tr,cv,tt}`.
        activlev: folder of published active levels; None for those beside the lists, `levels.MEASURE` for none. What is
            not published is measured.
        sample_rate: Hz.
        mode: ``min`` or ``max``.
        limit: only the first this many lines of each list; 0 for all.
        spkrinfo: a table of the talkers' gender besides those of the corpus.
        subsets: the lists to mix.
    """

    corpus: Path
    mix_lists: Path
    data_dir: Path
    activlev: Path | None = None
    sample_rate: int = 8000
    mode: str = "min"
    limit: int = 0
    spkrinfo: Path | None = None
    subsets: tuple[str, ...] = SUBSETS


@dataclass(frozen=True)
class Levelled:
    """A line of a list with the published active level of each source; None to measure them."""

    line: MixLine
    levels: tuple[float, ...] | None


def build_mixtures(spec: MerlSpec, jobs: int | None = None, part: Part | None = None) -> None:
    """Mix every line of the three lists and write the Kaldi folders. What is there already is not made again.

    Args:
        spec: corpus, lists and what to make.
        jobs: processes; None for one per core.
        part: mix only these lines, and write no Kaldi folder.

    Raises:
        FileNotFoundError: corpus, list or a listed file is missing; the message counts and names them.
        ValueError: bad audio or a bad list, naming it; mixtures of other settings are already there.
        OSError: the disk is too full.
    """
    build(plan_mixtures(spec), jobs, part)


def plan_mixtures(spec: MerlSpec) -> Plan:
    """Read lists, levels and genders and find the files; see `build_mixtures` for what it raises."""
    check_mode_and_rate(spec.mode, spec.sample_rate)
    if not spec.corpus.is_dir():
        raise FileNotFoundError(f"{spec.corpus}: no such corpus folder; --corpus names the root of the lists' paths")
    paths = {subset: spec.mix_lists / f"mix_2_spk_{subset}.txt" for subset in spec.subsets}
    lists = {subset: read_list(path, spec.limit) for subset, path in paths.items()}
    _check_numbers(paths, lists)
    files = Corpus(spec.corpus).find_all(
        {path for lines in lists.values() for line in lines for path in line.paths},
        "--corpus names the root of the lists' paths, or the folder of the LDC's discs",
    )
    levels_dir, levels = choose_levels(spec.activlev, spec.mix_lists, files)
    for subset in spec.subsets:
        report_list(paths[subset], lists[subset])
    seconds = cache(readable_seconds)
    report_corpus(files, seconds)
    genders = talker_genders(spec.corpus, spec.spkrinfo)
    report_unknown({name for lines in lists.values() for line in lines for name in line.talkers}, genders)
    audio_dir = spec.data_dir / rate_dir(spec.sample_rate) / spec.mode

    def task(subset: str, line: MixLine) -> Task:
        folders = ("mix", *(f"s{place}" for place in range(1, len(line.paths) + 1)))
        mixture, *sources = (audio_dir / subset / folder / f"{line.name}.wav" for folder in folders)
        pair = tuple(genders.get(talker.lower(), "?") for talker in line.talkers)
        utterance = Utterance(line.name, mixture, tuple(sources), line.talkers, pair)
        found = tuple(levels[Path(path).stem] for path in line.paths) if levels else None
        where = f"{paths[subset].name}: line {line.number}"
        return Task(Levelled(line, found), tuple(files[path] for path in line.paths), utterance, where)

    return Plan(
        spec.data_dir,
        audio_dir,
        {
            "corpus": str(spec.corpus.resolve()),
            "levels": str(levels_dir.resolve()) if levels_dir else MEASURED,
        },
        spec.sample_rate,
        spec.mode,
        {subset: [task(subset, line) for line in lines] for subset, lines in lists.items()},
        mix_task,
        seconds,
    )


def mix_task(sample_rate: int, mode: str, task: Task) -> None:
    """Make the files of one mixture.

    Raises:
        ValueError: a source that cannot be mixed, by name.
    """
    line, levels = task.line.line, task.line.levels
    sources, measured = [], []
    for path in task.files:
        with reading(path):
            sources.append(_read_source(path, sample_rate))
            if levels is None:
                measured.append(_level(path, min(sample_rate, LEVEL_RATE)))
    try:
        mixture, sources = mix(sources, levels or measured, line.gains, mode)
    except ValueError as error:
        raise ValueError(f"{line.name}: {error}") from None
    for path, samples in zip(task.outputs, [*sources, mixture], strict=True):
        write_audio(path, samples, sample_rate)


@lru_cache(maxsize=READ_AGAIN)
def _read_source(path: Path, sample_rate: int) -> np.ndarray:
    samples, rate = read_mono(path)
    if len(samples) < MIN_SECONDS * rate:
        raise ValueError(f"{len(samples)} samples found, at least {MIN_SECONDS} s expected; take it out of the list")
    return resample(samples.astype(np.float64), rate, sample_rate)


@cache
def _level(path: Path, sample_rate: int) -> float:
    return active_level(_read_source(path, sample_rate), sample_rate)


def _check_numbers(paths: dict[str, Path], lists: dict[str, list[MixLine]]) -> None:
    """A network separates one number of talkers, so the three lists mix the same."""
    first = next(iter(lists))
    number = len(lists[first][0].paths)
    for subset, lines in lists.items():
        if len(lines[0].paths) != number:
            raise ValueError(
                f"{paths[subset]}: mixtures of {len(lines[0].paths)} talkers found, {number} expected, as in "
                f"{paths[first].name}; name lists of one kind by --mix-lists"
            )

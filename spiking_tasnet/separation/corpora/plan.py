"""Stage 0: make the mixtures that a plan lists, on all cores, and their Kaldi data folders."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from spiking_tasnet.files import read_json, remove_leftovers, write_json
from spiking_tasnet.lock import held
from spiking_tasnet.parameters import differing
from spiking_tasnet.part import Part, files_of_parts
from spiking_tasnet.separation.corpora.census import readable_seconds
from spiking_tasnet.separation.corpora.kaldi import Utterance, write_data_dir
from spiking_tasnet.separation.corpora.unmixed import Unmixed, attempt, refuse
from spiking_tasnet.separation.parallel import available_cores, parallel_map

logger = logging.getLogger(__name__)
NOT_MADE = "not_made.txt"  # in the audio's folder: lines that cannot be mixed
SPARE_BYTES = 100e6  # left free on the disk
HEADER_BYTES = 44  # of a WAV file
FILE_OVERHEAD = HEADER_BYTES + 4096  # bytes that a file takes besides its samples: header, half a block, folder entry
READ_AGAIN = 32  # talkers' files that a process may keep: `build` lets the tasks that share one follow each other
CORE_SECONDS = 1.0  # of work per hour of audio written, disk included; see benchmarks/README.md


@dataclass(frozen=True)
class Task:
    """One mixture to make.

    Attributes:
        line: its entry in the list.
        files: its talkers' audio on disk, then that of the noise where there is some.
        utterance: its name, the files to write, its talkers.
        where: the line that names it, e.g. `mix_2_spk_tr.txt: line 3`.
        extras: further files to write.
    """

    line: Any
    files: tuple[Path, ...]
    utterance: Utterance
    where: str
    extras: tuple[Path, ...] = ()

    @property
    def speech(self) -> tuple[Path, ...]:
        """The talkers' files, which decide how long the mixture is."""
        return self.files[: len(self.utterance.sources)]

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All files to write; the mixture comes last."""
        noise = (self.utterance.noise,) if self.utterance.noise else ()
        named = (*self.utterance.sources, *noise, *self.extras, self.utterance.mixture)
        return tuple(path for path in named if isinstance(path, Path))  # a plan names no commands

    @property
    def is_done(self) -> bool:
        """Whether all its files are there, and whole."""
        return all(is_whole(path) for path in self.outputs)


@dataclass(frozen=True)
class Plan:
    """What stage 0 makes.

    Attributes:
        data_dir: gets the Kaldi folders, one per subset.
        audio_dir: gets the audio.
        sources: what the audio is made from; kept beside it, with rate and mode, so that two kinds are never mixed up.
        sample_rate: Hz.
        mode: ``min`` or ``max``.
        subsets: tasks by subset, in the order of the lists.
        make: writes the outputs of one task, given sample rate, mode and task; picklable.
        seconds: duration of a talker's file, which is looked up once; None if it cannot be read.
    """

    data_dir: Path
    audio_dir: Path
    sources: dict[str, str]
    sample_rate: int
    mode: str
    subsets: dict[str, list[Task]]
    make: Callable[[int, str, Task], None]
    seconds: Callable[[Path], float | None] = field(default_factory=lambda: cache(readable_seconds))

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the samples."""
        return {**self.sources, "sample_rate": self.sample_rate, "mode": self.mode}

    def duration(self, tasks: Iterable[Task]) -> float:
        """Duration in seconds of the mixtures of some tasks."""
        pick = min if self.mode == "min" else max
        return sum(pick(self.seconds(path) or 0.0 for path in task.speech) for task in tasks)

    def n_bytes(self, tasks: Iterable[Task]) -> float:
        """Room that the outputs of some tasks take."""
        each = ((len(task.outputs), self.duration([task])) for task in tasks)
        return sum(files * (2 * seconds * self.sample_rate + FILE_OVERHEAD) for files, seconds in each)


def build(plan: Plan, jobs: int | None = None, part: Part | None = None) -> None:
    """Make every mixture that is not there already, then the Kaldi folders.

    Mixtures whose audio cannot be used do not keep the others from being made; then no Kaldi folder is written.

    Args:
        plan: what to make.
        jobs: processes; None for one per core.
        part: make these mixtures only and write no Kaldi folder; several parts may be at work in one data folder.

    Raises:
        ValueError: bad audio, by name and line; mixtures of other settings, or another run, are already there.
        OSError: the disk is too full.
    """
    report = plan.audio_dir / NOT_MADE
    if part:
        plan.audio_dir.mkdir(parents=True, exist_ok=True)
        _check_settings(plan, alone=False)
        chosen = replace(plan, subsets={subset: part.of(tasks) for subset, tasks in plan.subsets.items()})
        refuse(*_make_all(chosen, jobs, alone=False), part.own_file(report))
        logger.info("part %s is made; the same command without --part writes the data folders", part)
        return
    with held(plan.audio_dir, "wait for it, or give another data folder"):
        _check_settings(plan)
        refuse(*_make_all(plan, jobs), report)
        for file in files_of_parts(report):
            file.unlink(missing_ok=True)
        for subset, tasks in plan.subsets.items():
            write_data_dir(plan.data_dir / subset, [task.utterance for task in tasks])


def _make_all(plan: Plan, jobs: int | None, *, alone: bool = True) -> tuple[list[Unmixed], int]:
    """Make what is not there; return the mixtures that could not be made, and how many were due."""
    due = {subset: [task for task in tasks if not task.is_done] for subset, tasks in plan.subsets.items()}
    _announce(plan, [task for tasks in due.values() for task in tasks], jobs)
    make = partial(attempt, partial(plan.make, plan.sample_rate, plan.mode))
    unmixed: list[Unmixed] = []
    for subset, tasks in plan.subsets.items():
        if alone:  # else another part may be writing there
            for folder in {path.parent for task in tasks for path in task.outputs} | {plan.data_dir / subset}:
                remove_leftovers(folder)
        # By sources: neighbours share the first one, which is then read once.
        ordered = sorted(due[subset], key=lambda task: task.files)
        done = parallel_map(make, ordered, jobs, desc=f"mix {subset}", unit="mixture")
        unmixed += [one for one in done if one is not None]
    return unmixed, sum(map(len, due.values()))


def is_whole(path: Path) -> bool:
    """Whether a WAV file has samples, and as many bytes as its header says: a crash may leave fewer, or none."""
    try:
        with open(path, "rb") as stream:
            header = stream.read(12)
            size = os.fstat(stream.fileno()).st_size
    except OSError:
        return False
    is_wav = header[:4] == b"RIFF" and header[8:] == b"WAVE"
    return is_wav and size > HEADER_BYTES and int.from_bytes(header[4:8], "little") + 8 == size


def _check_settings(plan: Plan, *, alone: bool = True) -> None:
    """Keep mixtures of different settings apart: their names are the same."""
    path, settings = plan.audio_dir / "mixed_from.json", plan.settings
    found = read_json(path) if path.exists() else settings
    if differs := differing(found if isinstance(found, dict) else {}, settings):
        key, there, here = differs[0]
        raise ValueError(
            f"{plan.audio_dir}: mixtures of {key} {there} found, {here} expected; "
            "remove that folder or give another data folder"
        )
    if alone:
        remove_leftovers(plan.audio_dir)
    write_json(path, settings)


def _announce(plan: Plan, due: list[Task], jobs: int | None) -> None:
    """Say what the mixtures cost; refuse if the disk cannot hold them."""
    for subset, tasks in plan.subsets.items():
        logger.info("%s: %d mixtures, %.2f h", subset, len(tasks), plan.duration(tasks) / 3600)
    needed, free = plan.n_bytes(due), shutil.disk_usage(plan.audio_dir).free
    hours = sum(len(task.outputs) * plan.duration([task]) for task in due) * plan.sample_rate / 8000 / 3600
    minutes = hours * CORE_SECONDS / (jobs or available_cores()) / 60
    logger.info(
        "%d mixtures to make: %.2f GB in %s (%.2f GB free), about %.1f minutes",
        *(len(due), needed / 1e9, plan.audio_dir, free / 1e9, minutes),
    )
    if needed + SPARE_BYTES > free:
        raise OSError(
            f"{plan.audio_dir}: {free / 1e9:.2f} GB free, {(needed + SPARE_BYTES) / 1e9:.2f} GB expected; "
            "make room, take a --limit, or give another data folder"
        )

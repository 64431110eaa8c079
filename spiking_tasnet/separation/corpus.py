"""Stage 0: make the mixtures that a plan lists, on all cores, and their Kaldi data folders."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from spiking_tasnet.files import read_json, write_json
from spiking_tasnet.separation.audio import audio_seconds
from spiking_tasnet.separation.kaldi import Utterance, write_data_dir
from spiking_tasnet.separation.parallel import available_cores, parallel_map

logger = logging.getLogger(__name__)
SPARE_BYTES = 100e6  # left free on the disk
FILE_OVERHEAD = 44 + 4096  # bytes a file takes besides its samples: WAV header, half a block, folder entry
READ_AGAIN = 32  # talkers' files that a process may keep: `build` lets the tasks that share one follow each other
CORE_SECONDS = 1.0  # of work an hour of audio written, disk included; see benchmarks/README.md


@dataclass(frozen=True)
class Task:
    """One mixture to make.

    Attributes:
        line: what the list says of it.
        files: its talkers' audio on disk, then that of the noise where there is some.
        utterance: its name, the files to write, its talkers.
        extras: further files to write.
    """

    line: Any
    files: tuple[Path, ...]
    utterance: Utterance
    extras: tuple[Path, ...] = ()

    @property
    def speech(self) -> tuple[Path, ...]:
        """The talkers' files, which decide how long the mixture is."""
        return self.files[: len(self.utterance.sources)]

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All files to write; the mixture comes last, so a mixture that is there is complete."""
        noise = (self.utterance.noise,) if self.utterance.noise else ()
        return (*self.utterance.sources, *noise, *self.extras, self.utterance.mixture)

    @property
    def is_done(self) -> bool:
        """Whether all its files are there."""
        return all(path.exists() for path in self.outputs)


@dataclass(frozen=True)
class Plan:
    """What stage 0 makes.

    Attributes:
        data_dir: gets the Kaldi folders, one a subset.
        audio_dir: gets the audio.
        sources: what the audio is made from; kept beside it, with rate and mode, so that two kinds never mingle.
        sample_rate: Hz.
        mode: ``min`` or ``max``.
        subsets: tasks by subset, in the order of the lists.
        make: writes the outputs of one task, given sample rate, mode and task; picklable.
        seconds: duration of a talker's file, which is looked up once.
    """

    data_dir: Path
    audio_dir: Path
    sources: dict[str, str]
    sample_rate: int
    mode: str
    subsets: dict[str, list[Task]]
    make: Callable[[int, str, Task], None]
    seconds: Callable[[Path], float] = field(default_factory=lambda: cache(audio_seconds))

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the samples."""
        return {**self.sources, "sample_rate": self.sample_rate, "mode": self.mode}

    def duration(self, tasks: Iterable[Task]) -> float:
        """Duration in seconds of the mixtures of some tasks."""
        pick = min if self.mode == "min" else max
        return sum(pick(self.seconds(path) for path in task.speech) for task in tasks)

    def n_bytes(self, tasks: Iterable[Task]) -> float:
        """Room that the outputs of some tasks take."""
        each = ((len(task.outputs), self.duration([task])) for task in tasks)
        return sum(files * (2 * seconds * self.sample_rate + FILE_OVERHEAD) for files, seconds in each)


def build(plan: Plan, jobs: int | None = None) -> None:
    """Make every mixture that is not there already, then the Kaldi folders.

    Raises:
        ValueError: bad audio, by name; mixtures of other settings are already there.
        OSError: the disk is too full.
    """
    due = {subset: [task for task in tasks if not task.is_done] for subset, tasks in plan.subsets.items()}
    _check_settings(plan)
    _announce(plan, [task for tasks in due.values() for task in tasks], jobs)
    for subset, tasks in plan.subsets.items():
        for folder in {path.parent for task in tasks for path in task.outputs}:
            for stale in folder.glob(".*.tmp.wav"):  # of a run that was killed
                stale.unlink(missing_ok=True)
        # By sources: neighbours share the first one, which is then read once.
        ordered = sorted(due[subset], key=lambda task: task.files)
        make = partial(plan.make, plan.sample_rate, plan.mode)
        parallel_map(make, ordered, jobs, desc=f"mix {subset}", unit="mixture")
        write_data_dir(plan.data_dir / subset, [task.utterance for task in tasks])


def _check_settings(plan: Plan) -> None:
    """Keep mixtures of different settings apart: their names are the same."""
    path, settings = plan.audio_dir / "mixed_from.json", plan.settings
    if path.exists() and (found := read_json(path)) != settings:
        differs = next(key for key in settings if found.get(key) != settings[key])
        raise ValueError(
            f"{plan.audio_dir}: mixtures of {differs} {found.get(differs)} found, {settings[differs]} expected; "
            "remove that folder or give another --data-dir"
        )
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
            "make room, take a --limit, or give another --data-dir"
        )

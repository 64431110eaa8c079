"""Training speech, decoded once: the 16-bit samples of all utterances in one memory-mapped file.

A folder holds `speech.i16` (little-endian int16, full scale 32768) and `speech.tsv`, one line per utterance: path,
talker, corpus, first sample, number of samples, active level as a mean square amplitude (ITU-T P.56). The table is
written last, so a folder that has it is complete.
"""

from __future__ import annotations

import csv
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spiking_tasnet.files import whole_file, write_json
from spiking_tasnet.separation.audio.files import INT16_SCALE, read_audio
from spiking_tasnet.separation.corpora.active_level import active_level
from spiking_tasnet.separation.corpora.mixing import resample
from spiking_tasnet.separation.parallel import parallel_map

logger = logging.getLogger(__name__)
SAMPLES, TABLE, ABOUT = "speech.i16", "speech.tsv", "speech.json"
COLUMNS = ("path", "talker", "corpus", "start", "n_samples", "level")
MIN_SECONDS = 1.0  # a shorter recording teaches nothing that a longer one does not
FILES_PER_PART = 100


class Recording(NamedTuple):
    """A sound file, who speaks in it and the corpus it belongs to; both are empty for noise."""

    path: Path
    talker: str = ""
    corpus: str = ""


@dataclass(frozen=True)
class Clip:
    """One utterance of a cache.

    Attributes:
        path: where it came from.
        talker: who speaks; empty for noise.
        corpus: that it belongs to: recorded in one way; empty for noise, and in an older cache.
        start: its first sample in `speech.i16`.
        n_samples: how many it has.
        level: active level, mean square amplitude at full scale 1.
    """

    path: str
    talker: str
    corpus: str
    start: int
    n_samples: int
    level: float


class SpeechCache:
    """Read a cache folder.

    Args:
        folder: what `write_cache` made.

    Raises:
        FileNotFoundError: there is none.
        ValueError: its files do not fit together.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        if not (self.folder / TABLE).is_file():
            raise FileNotFoundError(f"{self.folder / TABLE}: not found; stage 0 of recipes/talkers makes it")
        self.sample_rate = int(json.loads((self.folder / ABOUT).read_text(encoding="utf-8"))["sample_rate"])
        with open(self.folder / TABLE, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        self.clips = [
            Clip(
                row["path"],
                row["talker"],
                row.get("corpus") or "",
                int(row["start"]),
                int(row["n_samples"]),
                float(row["level"]),
            )
            for row in rows
        ]
        n_samples = (self.folder / SAMPLES).stat().st_size // 2
        if not self.clips or self.clips[-1].start + self.clips[-1].n_samples != n_samples:
            raise ValueError(f"{self.folder}: {TABLE} and {SAMPLES} do not fit together; run stage 0 with --force")
        self._samples: np.ndarray | None = None

    def __getstate__(self) -> dict:
        """A loader process maps the file anew instead of receiving it."""
        return self.__dict__ | {"_samples": None}

    def read(self, clip: Clip, offset: int = 0, n_samples: int | None = None) -> np.ndarray:
        """Samples of a clip from `offset` on, at most `n_samples`, float32 (n,), full scale 1."""
        if self._samples is None:
            self._samples = np.memmap(self.folder / SAMPLES, dtype="<i2", mode="r")
        end = clip.n_samples if n_samples is None else min(offset + n_samples, clip.n_samples)
        return self._samples[clip.start + offset : clip.start + end].astype(np.float32) / INT16_SCALE

    @property
    def hours(self) -> float:
        """Duration of all clips."""
        return sum(clip.n_samples for clip in self.clips) / self.sample_rate / 3600


def write_cache(
    folder: Path, files: Sequence[Recording], sample_rate: int, jobs: int | None = None, what: str = "speech"
) -> None:
    """Decode, resample and measure every file; a warning counts and names those that cannot be used.

    Args:
        folder: gets the cache.
        files: what to decode.
        sample_rate: Hz.
        jobs: processes; None for one per core.
        what: is cached, for the progress bar.

    Raises:
        ValueError: none of the files can be used.
    """
    parts = [files[first : first + FILES_PER_PART] for first in range(0, len(files), FILES_PER_PART)]
    scratch = folder / ".parts"
    scratch.mkdir(parents=True, exist_ok=True)
    (folder / TABLE).unlink(missing_ok=True)
    try:
        numbered = list(enumerate(parts))
        make = partial(_write_part, scratch, sample_rate)
        found = parallel_map(make, numbered, jobs, desc=f"decode {what}", unit=f"x {FILES_PER_PART} files")
        clips = [clip for made, _ in found for clip in made]
        unusable = [reason for _, reasons in found for reason in reasons]
        if not clips:
            raise ValueError(f"{folder}: none of {len(files)} files can be used; the first: {(unusable or ['?'])[0]}")
        if unusable:
            shown = "; ".join(unusable[:3])
            logger.warning("%d of %d files are left out: %s", len(unusable), len(files), shown)
        _join(folder, scratch, len(parts), clips, sample_rate)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write_part(scratch: Path, sample_rate: int, part: tuple[int, Sequence[Recording]]) -> tuple[list[Clip], list[str]]:
    """Write the samples of one part; its clips (without their start) and why files were left out."""
    number, files = part
    clips, reasons = [], []
    with open(scratch / f"{number}.i16", "wb") as stream:
        for path, talker, corpus in files:
            try:
                samples, rate = read_audio(path)
                if samples.shape[1] < MIN_SECONDS * rate:
                    seconds = samples.shape[1] / rate
                    raise ValueError(f"{path}: {seconds:.2f} s found, at least {MIN_SECONDS} s expected")
                signal = resample(samples.mean(axis=0, dtype=np.float64), rate, sample_rate)
                level = active_level(signal, sample_rate)
            except (ValueError, OSError) as error:
                reasons.append(str(error) if str(path) in str(error) else f"{path}: {error}")
                continue
            # Resampling may overshoot full scale by a little; the level is that of what is kept.
            scale = min(1.0, 0.999 / max(float(np.abs(signal).max()), 1e-9))
            stream.write(np.rint(signal * (scale * (INT16_SCALE - 1))).astype("<i2").tobytes())
            clips.append(Clip(str(path), talker, corpus, 0, len(signal), level * scale**2))
    return clips, reasons


def _join(folder: Path, scratch: Path, n_parts: int, clips: Sequence[Clip], sample_rate: int) -> None:
    with whole_file(folder / SAMPLES) as temporary, open(temporary, "wb") as joined:
        for number in range(n_parts):
            with open(scratch / f"{number}.i16", "rb") as stream:
                shutil.copyfileobj(stream, joined, 1 << 20)
    write_json(folder / ABOUT, {"sample_rate": sample_rate})
    start = 0
    with whole_file(folder / TABLE) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        for clip in clips:
            writer.writerow([clip.path, clip.talker, clip.corpus, start, clip.n_samples, f"{clip.level:.6g}"])
            start += clip.n_samples

"""Find and read the separated audio of any system, and bring it to the length of its mixture."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spiking_tasnet.separation.audio.files import read_audio
from spiking_tasnet.separation.audio.pipes import Pipe, read_source
from spiking_tasnet.separation.corpora.kaldi import Utterance
from spiking_tasnet.separation.corpora.scp import read_scp

logger = logging.getLogger(__name__)
LAYOUTS = ("s{n}/{utt}", "spk{n}/{utt}", "{utt}_s{n}", "{utt}_spk{n}", "{utt}/s{n}", "{utt}/spk{n}")
SUFFIXES = (".wav", ".flac", ".WAV", ".FLAC")
TOLERANCE = 0.05  # seconds that an estimate may be longer or shorter: a frame of another system
REMEDY = "run stage 3 (separate) again"


class Estimates:
    """The files of the separated sources of a data folder's mixtures.

    Known are `s1/<utt>.wav`, which stage 3 writes, and the other `LAYOUTS` and `SUFFIXES`; `spk1.scp`, `spk2.scp`, as
    ESPnet writes them. The first of them that has most of the files is taken for all.

    Args:
        folder: of the estimates.
        utterances: the mixtures.
        allow_pipes: whether an scp may hold commands.

    Raises:
        FileNotFoundError: estimates are missing; the message counts them.
        ValueError: a damaged scp.
    """

    def __init__(self, folder: str | os.PathLike, utterances: Sequence[Utterance], allow_pipes: bool = False):
        self.folder = Path(folder)
        self.paths: dict[str, Sequence[Path | Pipe]] = {}
        if (self.folder / "spk1.scp").is_file():
            self._from_tables(utterances, allow_pipes)
        else:
            self._from_names(utterances)

    def _from_tables(self, utterances: Sequence[Utterance], allow_pipes: bool) -> None:
        places = range(1, max(len(utterance.sources) for utterance in utterances) + 1)
        tables = [read_scp(self.folder / f"spk{place}.scp", allow_pipes) for place in places]
        absent = [u.id for u in utterances for table in tables[: len(u.sources)] if u.id not in table]
        if absent:
            raise FileNotFoundError(
                f"{self.folder}/spk*.scp: {len(absent)} lines are missing, the first of {absent[0]}; separate them too"
            )
        for utterance in utterances:
            self.paths[utterance.id] = [table[utterance.id] for table in tables[: len(utterance.sources)]]

    def _from_names(self, utterances: Sequence[Utterance]) -> None:
        there = _files(self.folder)
        total = sum(len(utterance.sources) for utterance in utterances)
        best: dict[str, list[str]] = {}
        fewest, first = total + 1, ""
        for pattern in (layout + suffix for suffix in SUFFIXES for layout in LAYOUTS):
            names = {utterance.id: _names(pattern, utterance) for utterance in utterances}
            missing = [name for some in names.values() for name in some if name not in there]
            if len(missing) < fewest:
                best, fewest, first = names, len(missing), missing[0] if missing else ""
            if not fewest:
                break
        if fewest:
            raise FileNotFoundError(
                f"{self.folder}: {fewest} of {total} separated files are missing, the first is {self.folder / first}; "
                f"{REMEDY}"
            )
        self.paths = {utterance: [self.folder / name for name in names] for utterance, names in best.items()}


def read_estimates(paths: Sequence[Path | Pipe], n_samples: int, sample_rate: int) -> tuple[np.ndarray, list[str]]:
    """Read the separated sources of one mixture.

    An estimate that is at most `TOLERANCE` longer or shorter is cut or followed by zeros; of several channels the first
    is taken if all are alike.

    Args:
        paths: one per source.
        n_samples: of the mixture.
        sample_rate: of the mixture, Hz.

    Returns:
        Estimates (n_src, n_samples), and what was done to them: "cut by 5 samples", ...

    Raises:
        FileNotFoundError, ValueError: a file is absent, unreadable, of another rate, of a length too far from the
            mixture's, or its channels differ.
    """
    read = [_fitted(path, n_samples, sample_rate) for path in paths]
    return np.stack([samples for samples, _ in read]), [change for _, changes in read for change in changes]


def _files(folder: Path) -> set[str]:
    """Names of the files in a folder and its folders, relative to it."""
    found = set()
    for parent in (folder, *(path for path in folder.glob("*") if path.is_dir())):
        prefix = "" if parent == folder else f"{parent.name}/"
        found |= {prefix + entry.name for entry in os.scandir(parent) if entry.is_file()} if parent.is_dir() else set()
    return found


def _names(pattern: str, utterance: Utterance) -> list[str]:
    places = range(1, len(utterance.sources) + 1)
    return [pattern.replace("{n}", str(place)).replace("{utt}", utterance.id) for place in places]


def _fitted(path: Path | Pipe, n_samples: int, sample_rate: int) -> tuple[np.ndarray, list[str]]:
    """Read one estimate at the mixture's length."""
    changes = []
    if isinstance(path, Pipe):
        samples, _ = read_source(path, sample_rate)
    else:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: not found; {REMEDY}")
        channels, _ = read_audio(path, sample_rate)
        samples = channels[0]
        if len(channels) > 1:
            if not (channels == samples).all():
                raise ValueError(f"{path}: {len(channels)} different channels found, one expected; give one of them")
            changes.append(f"one of {len(channels)} equal channels taken")
    excess = len(samples) - n_samples
    if abs(excess) > TOLERANCE * sample_rate:
        raise ValueError(
            f"{path}: {len(samples)} samples found, {n_samples} expected as in the mixture, or within {TOLERANCE} s; "
            f"{REMEDY}"
        )
    if excess:
        changes.append(f"cut by {excess} samples" if excess > 0 else f"{-excess} samples of silence put behind")
    return np.pad(samples[:n_samples], (0, max(0, -excess))), changes

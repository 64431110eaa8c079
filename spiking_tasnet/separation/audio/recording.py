"""Users' recordings: a sound file is inspected once, then read block by block as one channel, in constant memory.

Examples:
    >>> import tempfile, soundfile
    >>> path = Path(tempfile.mkdtemp()) / "meeting.wav"
    >>> sound = np.sin(np.arange(16000) / 5)
    >>> soundfile.write(path, np.stack([0.1 * sound, -0.1 * sound], axis=1), 16000)
    >>> recording = Recording.open(path)
    >>> recording.n_samples, recording.channel, len(recording.warnings)
    (16000, '1', 1)
    >>> [len(block) for block in recording.blocks(10000)]
    [10000, 6000]
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spiking_tasnet.files import printable
from spiking_tasnet.separation.audio.channels import ChannelMeter
from spiking_tasnet.separation.audio.formats import SUFFIXES, refused
from spiking_tasnet.separation.audio.sound_stream import SoundStream
from spiking_tasnet.separation.audio.verdict import check_finite, missing, remarks

QUIET = 10 ** (-50 / 20)  # peak below which 16 bits would be heard
FINE_KINDS = ("24", "32", "20", "FLOAT", "DOUBLE")  # in libsndfile's names of the kinds of samples
COARSE_KINDS = ("ADPCM", "G72", "GSM")


@dataclass(frozen=True, eq=False)
class Recording:
    """A sound file that has been inspected.

    Attributes:
        path: the file.
        rate: Hz.
        n_chan: channels in the file.
        n_samples: of each channel, counted.
        channel: ``mean``, or the number of the channel that is used, from 1.
        weights: (n_chan,) of the channels.
        warnings: for the user, in plain sentences.
        silent: whether the signal never changes.
        fine: whether 16 bits would lose something: the file has more, or is very quiet.
    """

    path: Path
    rate: int
    n_chan: int
    n_samples: int
    channel: str
    weights: np.ndarray
    warnings: list[str]
    silent: bool
    fine: bool

    @classmethod
    def open(cls, path: str | os.PathLike, channel: str = "auto") -> Recording:
        """Inspect a file.

        Args:
            path: any format that libsndfile reads, or SPHERE as the LDC delivers it.
            channel: ``auto`` (the mean, unless that loses what the strongest channel holds: see `channels`), ``mean``,
                ``strongest``, or a number from 1.

        Raises:
            FileNotFoundError: there is no such file.
            OSError: the system does not let us read it.
            ValueError: it cannot be read, holds no samples, NaN or infinity, or has no such channel.
        """
        with SoundStream(path) as stream:
            meter = ChannelMeter(stream.n_chan, stream.rate)
            while len(block := stream.read(meter.block)):
                check_finite(block, stream)
                meter.add(block)
            if not stream.n_read:
                raise stream.no_samples()
            lack, odd = missing(stream), remarks(stream)
        try:
            choice = meter.choose(str(channel))
        except ValueError as error:
            raise ValueError(f"{printable(path)}: {error}") from None
        used = [-1] if choice.name == "mean" and np.ptp(choice.weights) == 0 else np.flatnonzero(choice.weights)
        span = float((meter.high - meter.low)[used].max())
        return cls(
            path=Path(path),
            rate=stream.rate,
            n_chan=stream.n_chan,
            n_samples=stream.n_read,
            channel=choice.name,
            weights=choice.weights,
            warnings=[sentence for sentence in (lack, *odd, choice.reason) if sentence],
            silent=span == 0,
            fine=_is_fine(stream.subtype) or 0 < span / 2 < QUIET,
        )

    def blocks(self, n_samples: int) -> Iterator[np.ndarray]:
        """Read the signal: float32 (n_samples,) at `rate`, fewer samples only in the last block.

        Raises:
            OSError, ValueError: as `open`, or the file is another one by now.
        """
        n_samples = min(n_samples, self.n_samples)
        out, done = np.empty(n_samples, np.float32), 0
        for part in self._parts():
            while len(part):
                taken = part[: n_samples - done]
                out[done : done + len(taken)] = taken
                part, done = part[len(taken) :], done + len(taken)
                if done == n_samples:
                    yield out
                    out, done = np.empty(n_samples, np.float32), 0
        if done:
            yield out[:done]

    def _parts(self) -> Iterator[np.ndarray]:
        """The signal in the blocks in which `open` read it: some damaged files give as much as one asks for at once."""
        with SoundStream(self.path) as stream:
            step = ChannelMeter(self.n_chan, self.rate).block
            if (stream.rate, stream.n_chan) != (self.rate, self.n_chan):
                raise self._changed()
            used = np.flatnonzero(self.weights)
            while len(block := stream.read(step)) and stream.n_read <= self.n_samples:
                yield block[:, used[0]] if len(used) == 1 else block @ self.weights
            if stream.n_read != self.n_samples:
                raise self._changed()

    def _changed(self) -> OSError:
        return OSError(f"{printable(self.path)}: changed while it was read; leave it alone and try again")


def _is_fine(subtype: str) -> bool:
    return any(kind in subtype for kind in FINE_KINDS) and not any(kind in subtype for kind in COARSE_KINDS)


def expand(paths: Sequence[str | os.PathLike]) -> list[Path]:
    """Replace each folder by its sound files, sorted by name.

    Subfolders are not entered, so links cannot form a loop. Hidden files (a leading dot) and files without a sound
    file's suffix are left out. A path that is not a folder stays as it is.

    Raises:
        ValueError: a folder without sound files.
        OSError: one that the system does not let us read.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            found.append(path)
            continue
        try:
            names = sorted(os.listdir(path))
        except OSError as error:
            raise refused(path, error) from None
        files = [path / name for name in names if not name.startswith(".") and (path / name).is_file()]
        sounds = [file for file in files if file.suffix.lower() in SUFFIXES]
        if not sounds:
            raise ValueError(f"{printable(path)}: a folder without sound files found; name another, or the files")
        found += sounds
    return found

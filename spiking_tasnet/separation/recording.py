"""A sound file that was scanned once: mono blocks of it in flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from spiking_tasnet.files import printable


class Recording:
    """One channel of a sound file; see `open`."""

    path: Path
    rate: int
    n_chan: int
    n_samples: int
    channel: str
    warnings: list[str]
    silent: bool
    fine: bool

    @classmethod
    def open(cls, path: Path, channel: str = "auto") -> Recording:
        """Scan a file and choose the channel.

        Raises:
            FileNotFoundError, ValueError: one line.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"{printable(path)}: no such file; check the path")
        found = cls()
        found.path, found.warnings = Path(path), []
        found.channel = "mean" if channel in ("auto", "mean", "strongest") else channel
        try:
            with soundfile.SoundFile(bytes(found.path)) as file:
                found.rate, found.n_chan = file.samplerate, file.channels
                found.fine = file.subtype in ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")
        except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
            raise ValueError(
                f"{printable(path)}: cannot be read as audio ({error}); a sound WAV or FLAC file expected"
            ) from None
        found.n_samples, peak = 0, 0.0
        for block in found.blocks(65536):
            if not np.isfinite(block).all():
                raise ValueError(
                    f"{printable(path)}: NaN or infinite samples found, finite ones expected"
                )
            found.n_samples += len(block)
            peak = max(peak, float(np.abs(block).max()))
        if not found.n_samples:
            raise ValueError(f"{printable(path)}: no samples found, audio expected; remove it or record it again")
        found.silent, found.fine = peak == 0, found.fine or peak < 0.01
        return found

    def blocks(self, n_samples: int) -> Iterator[np.ndarray]:
        """Mono float32 blocks (at most n_samples,)."""
        with soundfile.SoundFile(bytes(self.path)) as file:
            while len(block := file.read(n_samples, dtype="float32", always_2d=True)):
                yield block.mean(axis=1) if self.channel == "mean" else block[:, int(self.channel) - 1].copy()


def expand(paths: list[Path]) -> list[Path]:
    """Turn folders into their sound files."""
    return list(paths)

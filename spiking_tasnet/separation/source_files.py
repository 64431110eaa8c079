"""The separated sources of one recording on disk: gathered block by block, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from spiking_tasnet.files import whole_file, write_error

BLOCK_SAMPLES = 65536
BITS = {"PCM_16": 16, "PCM_24": 24}
LARGEST_WAV = 2**32 - 2**16  # bytes that a WAV header can state; RF64 takes over


class SourceFiles:
    """Takes blocks of all sources, of any level, and writes one WAV file per source.

    The gain that keeps all sources within full scale is known only at the end. Until then the blocks wait as 32-bit
    floats in an unnamed file beside the targets, which disappears when the process ends.

    Args:
        targets: one file per source.
        rate: Hz.
        subtype: ``PCM_16`` or ``PCM_24``.

    Raises:
        OSError: nothing can be written there.
    """

    def __init__(self, targets: list[Path], rate: int, subtype: str = "PCM_16"):
        self.targets, self.rate, self.subtype = targets, rate, subtype
        self.peaks = np.zeros(len(targets))
        self.n_samples = 0
        try:
            targets[0].parent.mkdir(parents=True, exist_ok=True)
            self._waiting = tempfile.TemporaryFile(dir=targets[0].parent)
        except OSError as error:
            raise write_error(targets[0].parent, error) from None

    def __enter__(self) -> SourceFiles:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._waiting.close()
        except OSError:  # what it could not write was told already
            pass

    def push(self, est_sources: np.ndarray) -> None:
        """Take the next samples, (n_src, n_samples).

        Raises:
            OSError: the disk is full, or another reason with its advice.
        """
        if not est_sources.shape[1]:
            return
        self.peaks = np.maximum(self.peaks, np.abs(est_sources).max(axis=1))
        self.n_samples += est_sources.shape[1]
        try:
            self._waiting.write(np.ascontiguousarray(est_sources.T, np.float32).data)
        except OSError as error:
            raise write_error(self.targets[0].parent, error) from None

    def finish(self) -> list[Path]:
        """Write all files; return those that are silent in their format.

        Raises:
            OSError: the disk is full, or another reason with its advice.
        """
        gain = np.float32(1 / max(1.0, float(self.peaks.max())))
        size = self.n_samples * BITS[self.subtype] // 8
        container = "WAV" if size < LARGEST_WAV else "RF64"
        heard = np.zeros(len(self.targets), bool)
        with ExitStack() as files:  # left in reverse: all closed, then all renamed
            temporaries = [files.enter_context(whole_file(target)) for target in self.targets]
            try:
                with ExitStack() as opened:
                    writers = []
                    for temporary in temporaries:
                        name: Any = os.fsencode(temporary)  # bytes, which soundfile takes and its types do not know
                        writer = soundfile.SoundFile(name, "w", self.rate, 1, self.subtype, format=container)
                        writers.append(opened.enter_context(writer))
                    for rows in self._blocks():
                        for place, (writer, row) in enumerate(zip(writers, rows, strict=True)):
                            samples = quantised(row * gain, self.subtype)
                            heard[place] |= samples.any()
                            writer.write(samples)
            except (soundfile.LibsndfileError, OSError, AssertionError) as error:
                raise write_error(self.targets[0], error) from None
        return [target for target, sounds in zip(self.targets, heard, strict=True) if not sounds]

    def _blocks(self):
        """(n_src, up to BLOCK_SAMPLES), from the beginning."""
        n_src = len(self.targets)
        self._waiting.seek(0)
        while contents := self._waiting.read(4 * n_src * BLOCK_SAMPLES):
            yield np.frombuffer(contents, np.float32).reshape(-1, n_src).T


def quantised(samples: np.ndarray, subtype: str) -> np.ndarray:
    """Round to the nearest of the levels of `subtype`: int16, or 24 bits at the top of int32, as soundfile takes them.

    Args:
        samples: within full scale, 1.
        subtype: a key of `BITS`.
    """
    levels = 1 << (BITS[subtype] - 1)
    rounded = np.clip(np.rint(samples.astype(np.float64) * levels), -levels, levels - 1).astype(np.int32)
    return rounded.astype(np.int16) if subtype == "PCM_16" else rounded << 8

"""Read all samples of a sound file, whatever its header says, block by block in constant memory."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from spiking_tasnet.files import printable
from spiking_tasnet.separation.audio import sphere
from spiking_tasnet.separation.audio.formats import check_regular, ffmpeg_command, not_read, refused
from spiking_tasnet.separation.audio.layout import Layout, inspect
from spiking_tasnet.separation.audio.pieces import Pieces
from spiking_tasnet.separation.audio.quiet import quiet

LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000  # Hz
WORTH_A_TRIAL = 0.99  # of a file read; a file that was cut is read to its end
PRINTING = ("MPEG", "ALAC")  # kinds of samples about which libraries print
SYSTEM_ERROR = 2  # of libsndfile
UNKNOWN_FRAMES = 1 << 60  # libsndfile has 2**63 - 1 where a header gives no length


class _Sound(soundfile.SoundFile):
    """A sound file that is only read forwards.

    soundfile seeks after every read of a file in which it may seek. That takes time, spoils MP3 (by 2e-3 of full
    scale) and fails at the end of a FLAC file that was cut.
    """

    def seekable(self) -> bool:
        return False


class SoundStream:
    """A sound file that is open for reading; use it in a `with` block.

    Args:
        path: any format that libsndfile reads, or SPHERE as the LDC delivers it.

    Attributes:
        rate: Hz.
        n_chan: channels.
        subtype: how samples are kept, in libsndfile's words, e.g. ``PCM_16``.
        layout: what lies in the file.
        n_read: samples of each channel read until now.
        n_stated: samples that libsndfile promised in the links read until now; None where it cannot tell.
        problem: what keeps the rest from being read, or None.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the system does not let us read it.
        ValueError: it is no sound file that can be read, or its rate is absurd.
    """

    def __init__(self, path: str | os.PathLike):
        self.path, self.n_read, self.problem = Path(path), 0, None
        self.n_stated: int | None = 0
        size = check_regular(self.path)
        with ExitStack() as stack:
            try:
                self._file = stack.enter_context(open(self.path, "rb", buffering=0))
                self.layout = self._inspect(stack, size)
            except OSError as error:
                raise (refused(self.path, error) if error.strerror else error) from None
            self._links = list(self.layout.links)
            self._sound = self._open_link()
            stack.callback(lambda: self._sound.close())  # the one that is open by then
            self.rate, self.n_chan, self.subtype = self._sound.samplerate, self._sound.channels, self._sound.subtype
            if not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
                raise ValueError(
                    f"{printable(self.path)}: a rate of {self.rate} Hz found, {LOWEST_RATE} to {HIGHEST_RATE} "
                    "expected; its header is damaged, or it is no sound"
                )
            self._stack = stack.pop_all()

    def _inspect(self, stack: ExitStack, size: int) -> Layout:
        header = sphere.read_header(self.path) if self._file.read(len(sphere.MAGIC)) == sphere.MAGIC else {}
        n_claimed = None
        if sphere.is_compressed(header):
            count = header.get("sample_count")
            n_claimed = count if isinstance(count, int) else None
            self._file = stack.enter_context(tempfile.TemporaryFile(buffering=0))
            sphere.decode(self.path, self._file)
            size = self._file.seek(0, os.SEEK_END)
        with open(self._file.fileno(), "rb", closefd=False) as reader:
            return inspect(reader, self.path, size, n_claimed)

    def _open_link(self) -> _Sound:
        """Open what comes next in the chain.

        By the descriptor: of a file whose content it does not know libsndfile believes the name.
        """
        pieces = self._links.pop(0)
        self._pieces = None if pieces is None else Pieces(self._file, pieces)
        self._file.seek(0)
        source: Any = self._pieces or self._file.fileno()  # soundfile's types know no file of our own
        try:
            with quiet() if self.layout.is_noisy else nullcontext():
                sound = _Sound(source, closefd=False)
        except (soundfile.LibsndfileError, TypeError, RuntimeError, ValueError) as error:
            self._check_pieces()
            raise not_read(self.path, self.layout.head, _reason(error)) from None
        self._left = sound.frames
        if self.n_stated is not None:
            self.n_stated = self.n_stated + self._left if self._left < UNKNOWN_FRAMES else None
        return sound

    def _next_link(self) -> bool:
        """Open the next recording of a chain that goes on alike; whether there is one."""
        if not self._links:
            return False
        self._sound.close()
        try:
            self._sound = self._open_link()
        except ValueError as error:
            self.problem = _reason(error).removeprefix(f"{printable(self.path)}: ")
            return False
        found = (self._sound.samplerate, self._sound.channels)
        if found != (self.rate, self.n_chan):
            self.problem = f"another recording of {found[0]} Hz and {found[1]} channels is chained to it"
            return False
        return True

    def __enter__(self) -> SoundStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def read(self, n_samples: int) -> np.ndarray:
        """Read on: float32 (at most `n_samples`, n_chan), full scale 1; fewer only at the end, then none.

        Raises:
            OSError: the disk fails.
        """
        if not self._links:
            n_samples = max(0, min(n_samples, self._left))
        block, done = np.full((n_samples, self.n_chan), np.nan, np.float32), 0
        while done < n_samples and self.problem is None:
            got = self._fill(block[done:])
            done += got
            if not got and not self._next_link():
                break
        self.n_read += done
        return block[:done]

    def _fill(self, out: np.ndarray) -> int:
        """Read into `out`, which holds NaN; the number of samples read."""
        out = out[: max(0, self._left)]
        if not len(out):
            return 0
        try:
            with quiet() if self.subtype.startswith(PRINTING) else nullcontext():
                got = len(self._sound.read(out=out))
        except (soundfile.LibsndfileError, RuntimeError) as error:
            if getattr(error, "code", None) == SYSTEM_ERROR:
                raise OSError(f"{printable(self.path)}: cannot be read to its end; copy it to another disk") from None
            # What was decoded before the damage is in `out`; how much that is, nobody says.
            self.problem = f"it cannot be decoded further ({_reason(error)})"
            if os.lseek(self._file.fileno(), 0, os.SEEK_CUR) < WORTH_A_TRIAL * self.layout.size:
                self.problem += f"; {ffmpeg_command(self.path)} may read what follows"
            heard = np.flatnonzero(~np.isnan(out).all(axis=1))
            got = int(heard[-1]) + 1 if len(heard) else 0
        self._check_pieces()
        self._left -= got
        return got

    def _check_pieces(self) -> None:
        """Raise what reading raised inside libsndfile."""
        error = self._pieces.error if self._pieces else None
        if isinstance(error, OSError):
            raise refused(self.path, error)
        if error is not None:
            raise error

    def no_samples(self) -> ValueError:
        """The error of a file that holds none."""
        trial = "" if self.layout.size < 2 * len(self.layout.head) else f", or try {ffmpeg_command(self.path)}"
        return ValueError(f"{printable(self.path)}: no samples found, audio expected; copy it again{trial}")


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", None) or str(error)
    return printable(" ".join(text.split()).removeprefix("Error : ").rstrip("."))

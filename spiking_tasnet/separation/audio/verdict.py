"""Judge a sound file that was read to its end: what is missing, and what else is odd, in plain sentences."""

from __future__ import annotations

import numpy as np

from spiking_tasnet.files import printable
from spiking_tasnet.separation.audio.formats import ffmpeg_command
from spiking_tasnet.separation.audio.sound_stream import SoundStream

MOST_TRIMMED = 8192  # samples that an MP3 encoder's tag may take away at both ends
LARGEST = 1e10  # of a sample, where full scale is 1; files of integers as floats stay below
PLAIN_KINDS = ("PCM", "FLOAT", "DOUBLE", "ALAW", "ULAW")
LEAST_BEYOND = 0.05  # seconds behind the sound that are worth a word


def check_finite(block: np.ndarray, stream: SoundStream) -> None:
    """Check what was just read of a file.

    Raises:
        ValueError: NaN, infinity, or numbers beyond any sound in (n_samples, n_chan); the message tells where.
    """
    if block.max(initial=0) <= LARGEST and block.min(initial=0) >= -LARGEST:  # false for NaN
        return
    with np.errstate(invalid="ignore"):
        row, chan = np.argwhere(~(np.abs(block) <= LARGEST))[0]
    at = f"{(stream.n_read - len(block) + int(row)) / stream.rate:.3f} s"
    name = "NaN or infinite samples" if not np.isfinite(block[row, chan]) else f"samples of {block[row, chan]:.3g}"
    raise ValueError(
        f"{printable(stream.path)}: {name} found from {at} on (channel {chan + 1}), finite ones around full scale (1) "
        "expected; write the file again"
    )


def missing(stream: SoundStream) -> str | None:
    """What a file that was read to its end lacks, e.g. ``6000 samples found, 28800 expected ...``; None for nothing."""
    expected = _expected(stream)
    if expected is not None and stream.n_read < expected:
        found = f"{stream.n_read} samples found, {expected} expected by its header ({_of(stream, expected)})"
        return f"{found}; {stream.problem}" if stream.problem else found
    if stream.problem:
        return f"{stream.n_read / stream.rate:.2f} s found; {stream.problem}"
    ogg = stream.layout.ogg
    if ogg is not None and ogg.is_cut:
        return f"{stream.n_read / stream.rate:.2f} s found, and the file ends within a page: it was cut"
    return None


def _expected(stream: SoundStream) -> int | None:
    """Samples of each channel that there should be."""
    layout = stream.layout
    if layout.n_claimed is not None:
        return layout.n_claimed
    length = layout.length
    if length is not None and length.claimed is not None and length.is_short:
        bytes_each = length.present / max(1, stream.n_read)
        if stream.subtype.startswith(PLAIN_KINDS):
            bytes_each = max(1, int(bytes_each))  # a part of a sample may be left over
        return max(round(length.claimed / bytes_each), stream.n_read + 1) if stream.n_read else None
    if layout.mpeg is not None:
        frames = max(layout.mpeg.n_frames, (layout.mpeg.n_claimed or 0) - 1)
        least = frames * layout.mpeg.n_samples - MOST_TRIMMED
        cut = layout.mpeg.n_frames + 1 < (layout.mpeg.n_claimed or 0)
        return frames * layout.mpeg.n_samples if cut or stream.n_read < least else None
    return stream.n_stated


def _of(stream: SoundStream, expected: int) -> str:
    return f"{stream.n_read / stream.rate:.2f} s of {expected / stream.rate:.2f} s"


def remarks(stream: SoundStream) -> list[str]:
    """What is odd about a file that was read to its end, though all that it promised was there."""
    layout, found = stream.layout, []
    seconds = stream.n_read / stream.rate
    if is_open_ended(stream):
        found.append(f"its header is unfinished and gives no length; read to the end, {seconds:.2f} s")
    if layout.length is not None and layout.length.beyond and stream.n_read:
        more = seconds * layout.length.beyond / max(1, layout.length.present)
        if more >= LEAST_BEYOND:
            command = ffmpeg_command(stream.path, "-ignore_length 1 ")
            found.append(
                f"the file goes on behind the {seconds:.2f} s that its header counts, and that was "
                f"not read; if it is sound ({more:.2f} s), try {command}"
            )
    if layout.mpeg is not None and layout.mpeg.n_claimed is not None:
        if layout.mpeg.n_frames > layout.mpeg.n_claimed + 1:
            found.append("it goes on behind what its header counts, as joined files do; all of it was read")
    if len(layout.links) > 1 and stream.problem is None:
        found.append(f"{len(layout.links)} recordings are chained in it; they were read one after the other")
    return found


def is_open_ended(stream: SoundStream) -> bool:
    """Whether the header leaves the length open, as in recordings that were not finished or came through a pipe."""
    if stream.layout.length is not None:
        return stream.layout.length.claimed is None
    return stream.layout.mpeg is None and stream.n_stated is None

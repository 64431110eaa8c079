"""The parts of a sound file: chained recordings, its length by the header, how libsndfile reads all of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from spiking_tasnet.separation.audio.lengths import Length, stated_length
from spiking_tasnet.separation.audio.mpeg import Mpeg, read_mpeg
from spiking_tasnet.separation.audio.ogg import Ogg, read_ogg
from spiking_tasnet.separation.audio.pieces import Piece, patched

MPEG_SUFFIXES = (".mp3", ".mp2", ".mp1", ".mpga")
WAVE_MPEG = (b"\x50\x00", b"\x55\x00", b"\x00\x50", b"\x00\x55")  # in either order of bytes
HEAD = 4096  # bytes that tell a format


@dataclass(frozen=True)
class Layout:
    """The parts of a sound file.

    Attributes:
        size: bytes.
        head: its first bytes.
        links: what libsndfile is given, one after the other: the file as it is (None), or pieces of it.
        length: by the header, where it counts bytes.
        mpeg: frames of MPEG audio.
        ogg: pages of an Ogg file.
        n_claimed: samples of each channel by the header, where it is known from elsewhere.
    """

    size: int
    head: bytes
    links: tuple[tuple[Piece, ...] | None, ...] = (None,)
    length: Length | None = None
    mpeg: Mpeg | None = None
    ogg: Ogg | None = None
    n_claimed: int | None = None

    @property
    def is_noisy(self) -> bool:
        """Whether libraries may print about it: MP3, also inside WAV, what only looks like it, and CAF."""
        if self.length is None:
            return self.head[:4] not in (b"OggS", b"fLaC")
        at = self.head.find(b"fmt ") + 8 if self.head[8:12] == b"WAVE" else 0
        return self.head[:4] == b"caff" or 0 < at < 8 or self.head[at : at + 2] in WAVE_MPEG


def inspect(stream: BinaryIO, path: Path, size: int, n_claimed: int | None = None) -> Layout:
    """Inspect a file.

    Args:
        stream: the file, buffered.
        path: its name.
        size: its bytes.
        n_claimed: samples of each channel that are expected.
    """
    stream.seek(0)
    head = stream.read(HEAD)
    if head[:4] == b"OggS":
        ogg = read_ogg(stream, size)
        links = tuple((link,) for link in ogg.links) if ogg and len(ogg.links) > 1 else (None,)
        return Layout(size, head, links, ogg=ogg, n_claimed=n_claimed)
    length = stated_length(stream, size)
    if length is not None:
        links = (tuple(patched(size, length.patches)) if length.patches else None,)
        return Layout(size, head, links, length, n_claimed=n_claimed)
    mpeg = read_mpeg(stream, size, search=path.suffix.lower() in MPEG_SUFFIXES)
    return Layout(size, head, (mpeg.pieces if mpeg else None,), mpeg=mpeg, n_claimed=n_claimed)

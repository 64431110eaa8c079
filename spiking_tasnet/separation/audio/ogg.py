"""Pages of an Ogg file: recordings chained one after the other, and the end of one that was cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

HEADER = 27  # bytes of a page's header before its table of segments
FIRST, LAST = 2, 4  # flags of a page


@dataclass(frozen=True)
class Ogg:
    """The pages of an Ogg file.

    Attributes:
        links: (start, stop) of each recording in the chain.
        is_cut: the file ends within a page.
        has_end: the last page says that it is the last.
    """

    links: tuple[tuple[int, int], ...]
    is_cut: bool
    has_end: bool


def read_ogg(stream: BinaryIO, size: int) -> Ogg | None:
    """Walk through the pages of a file of `size` bytes; None if it is no Ogg file."""
    at, starts, was_first, flags, is_cut = 0, [], False, 0, False
    while at + HEADER <= size:
        stream.seek(at)
        head = stream.read(HEADER + 255)
        if head[:4] != b"OggS":
            break
        flags, n_segments = head[5], head[26]
        # Several streams that belong together begin with one first page each, on end.
        if flags & FIRST and not was_first:
            starts.append(at)
        was_first = bool(flags & FIRST)
        at += HEADER + n_segments + sum(head[HEADER : HEADER + n_segments])
        is_cut = at > size
    if not starts:
        return None
    stream.seek(min(at, size))
    is_cut = is_cut or (at < size and stream.read(4) == b"OggS")
    return Ogg(tuple(zip(starts, [*starts[1:], size], strict=True)), is_cut, bool(flags & LAST))

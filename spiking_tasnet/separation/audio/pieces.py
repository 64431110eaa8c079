"""A file put together from pieces of another and from bytes, which libsndfile reads like any other file."""

from __future__ import annotations

import bisect
import io
import itertools
from collections.abc import Sequence

Piece = bytes | tuple[int, int]


class Pieces(io.RawIOBase):
    """Reads `pieces` one after the other. Reading never raises, because C code that calls back could not pass it on.

    Args:
        stream: the file that pieces are taken from.
        pieces: bytes, or (start, stop) in `stream`.

    Attributes:
        error: the first error of reading, or None; reading ended there.
    """

    def __init__(self, stream: io.RawIOBase, pieces: Sequence[Piece]):
        self._stream, self._pieces, self._at = stream, [piece for piece in pieces if _size(piece)], 0
        self._ends = list(itertools.accumulate(map(_size, self._pieces)))
        self.error: BaseException | None = None

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Bytes from the start."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As any file's."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1] if self._ends else 0}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer) -> int:
        """Fill `buffer` as far as there are bytes; 0 at the end and after an error."""
        view, done = memoryview(buffer).cast("B"), 0
        try:
            while done < len(view) and self.error is None:
                number = bisect.bisect_right(self._ends, self._at)
                if number == len(self._pieces):
                    break
                got = self._take(number, view[done:])
                if not got:
                    break
                done, self._at = done + got, self._at + got
        except BaseException as error:  # Ctrl-C too: whoever asked for samples raises it again
            self.error = error
        return done

    def _take(self, number: int, view: memoryview) -> int:
        piece = self._pieces[number]
        skip = self._at - (self._ends[number] - _size(piece))
        count = min(len(view), _size(piece) - skip)
        if isinstance(piece, bytes):
            view[:count] = piece[skip : skip + count]
            return count
        self._stream.seek(piece[0] + skip)
        return self._stream.readinto(view[:count]) or 0


def patched(size: int, patches: Sequence[tuple[int, bytes]]) -> list[Piece]:
    """Pieces of a file of `size` bytes with some replaced: (offset, bytes), in order."""
    pieces: list[Piece] = []
    at = 0
    for offset, new in patches:
        pieces += [(at, offset), new]
        at = offset + len(new)
    return [*pieces, (at, size)]


def _size(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else max(0, piece[1] - piece[0])

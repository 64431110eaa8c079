"""The length of the sound by a file's header, against the bytes that are there.

libsndfile silently takes the smaller of the two. These parsers know the containers whose headers count bytes: WAV
(also RIFX, RF64, BW64), Wave64, AIFF, 8SVX, AU, CAF and SPHERE. FLAC counts samples, which libsndfile reports;
`mpeg` and `ogg` handle formats that are streams of frames.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

OPEN_32 = 0x7FFF0000  # programs that write into a pipe leave 0x7FFFF000, 0x7FFFFFFF, 0x80000000 or 0xFFFFFFFF
OPEN_64 = 1 << 62
MOST_CHUNKS = 10_000
CAF_EDIT_COUNT = 4  # bytes before the samples of a CAF data chunk


@dataclass(frozen=True)
class Length:
    """The length that a header states.

    Attributes:
        claimed: bytes of sound by the header; None where it leaves it open.
        present: bytes of sound there are.
        beyond: bytes behind the sound that belong to no chunk; sound that the header does not count, or rubbish.
        patches: (offset, bytes) with which libsndfile reads to the end of the file.
    """

    claimed: int | None
    present: int
    beyond: int = 0
    patches: tuple[tuple[int, bytes], ...] = ()

    @property
    def is_short(self) -> bool:
        """Whether there is less than the header says."""
        return self.claimed is not None and self.present < self.claimed


def stated_length(stream: BinaryIO, size: int) -> Length | None:
    """Read what the header of a file of `size` bytes says; None for a format that is not known here, or is damaged."""
    stream.seek(0)
    head = stream.read(16)
    parser = _PARSERS.get(head[:4])
    try:
        return parser(stream, size, head) if parser else None
    except (struct.error, ValueError, KeyError, OverflowError):
        return None


def _riff(stream: BinaryIO, size: int, head: bytes) -> Length | None:
    if head[8:12] != b"WAVE":
        return None
    order = ">" if head[:4] == b"RIFX" else "<"
    is_64 = head[:4] in (b"RF64", b"BW64")
    total, total_at = 0, None
    for name, start, claimed in _chunks(stream, size, 12, order + "4sI"):
        if name == b"ds64":
            stream.seek(start + 8)
            total, total_at = *struct.unpack("<Q", stream.read(8)), start + 8
        if name == b"data":
            if is_64 and total_at is not None and claimed == 0xFFFFFFFF:
                patch = (total_at, struct.pack("<Q", size - start))
                return _length(stream, size, start, total, OPEN_64, patch, order)
            return _length(stream, size, start, claimed, OPEN_32, (start - 4, b"\xff" * 4), order)
    return None


def _length(
    stream: BinaryIO, size: int, start: int, claimed: int, open_from: int, patch: tuple[int, bytes], order: str = ">"
) -> Length:
    """The sound begins at `start`; `patch` lets libsndfile read on where the header leaves the length open."""
    present = size - start
    if claimed == 0 and present > 1 and not _is_chunk(stream, size, start, order):
        return Length(None, present, patches=(patch,))
    if claimed > present:
        if claimed >= open_from:
            return Length(None, present, patches=(patch,))
        if claimed in (size, size - 8):  # a known mistake of writers: the size of the file for that of the sound
            return Length(present, present)
        return Length(claimed, present)
    end = start + claimed + claimed % 2
    beyond = 0 if end >= size or _is_chunk(stream, size, end, order) else size - end
    return Length(claimed, claimed, beyond=beyond)


def _chunks(
    stream: BinaryIO, size: int, at: int, layout: str, header: int = 0, align: int = 2
) -> Iterator[tuple[bytes, int, int]]:
    """Name, start of content and its length of each chunk; `header`: bytes in front that a length counts too."""
    width = struct.calcsize(layout)
    for _ in range(MOST_CHUNKS):
        if at + width > size:
            return
        stream.seek(at)
        name, length = struct.unpack(layout, stream.read(width))
        length = max(0, length - header)
        yield name, at + width, length
        at += width + length + -length % align


def _is_chunk(stream: BinaryIO, size: int, at: int, order: str = ">") -> bool:
    """Whether a chunk begins at `at`: four printable letters, and a length within the file."""
    stream.seek(at)
    content = stream.read(8)
    if len(content) < 8:
        return False
    name, length = struct.unpack(order + "4sI", content)
    return all(32 <= letter < 127 for letter in name) and at + 8 + length <= size + 1


def _wave64(stream: BinaryIO, size: int, _: bytes) -> Length | None:
    for name, start, claimed in _chunks(stream, size, 40, "<16sQ", header=24, align=8):
        if name[:4] == b"data":
            present = size - start
            if claimed == 0 or (claimed > present and claimed >= OPEN_64):
                return Length(None, present)
            return Length(claimed, min(claimed, present))
    return None


def _form(stream: BinaryIO, size: int, head: bytes) -> Length | None:
    if head[8:12] not in (b"AIFF", b"AIFC", b"8SVX", b"16SV"):
        return None
    for name, start, claimed in _chunks(stream, size, 12, ">4sI"):
        if name in (b"SSND", b"BODY"):
            prefix = 8 if name == b"SSND" else 0  # offset and block size
            patch = (start - 4, b"\xff" * 4)
            return _length(stream, size, start + prefix, max(0, claimed - prefix), OPEN_32, patch)
    return None


def _au(stream: BinaryIO, size: int, head: bytes) -> Length | None:
    start, claimed = struct.unpack(">II" if head[:4] == b".snd" else "<II", head[4:12])
    present = size - start
    if present < 0:
        return None
    if claimed == 0xFFFFFFFF or (claimed == 0 and present):
        return Length(None, present, patches=((8, b"\xff" * 4),))
    return Length(claimed, min(claimed, present), beyond=max(0, present - claimed))


def _caf(stream: BinaryIO, size: int, _: bytes) -> Length | None:
    for name, start, claimed in _chunks(stream, size, 8, ">4sQ", align=1):
        if name == b"data":
            start, claimed, present = start + CAF_EDIT_COUNT, claimed - CAF_EDIT_COUNT, size - start - CAF_EDIT_COUNT
            patches = ((start - CAF_EDIT_COUNT - 8, struct.pack(">Q", present + CAF_EDIT_COUNT)),)
            if claimed >= OPEN_64 or (claimed < 0 and present > 0):
                return Length(None, present, patches=patches)
            # libsndfile refuses a CAF file that was cut; patched, it reads what there is.
            return Length(claimed, min(claimed, present), patches=patches if claimed > present else ())
    return None


def _sphere(stream: BinaryIO, size: int, head: bytes) -> Length | None:
    start = int(head[8:16])
    stream.seek(0)
    fields = dict(_sphere_fields(stream.read(min(start, 1 << 16))))
    claimed = fields["sample_count"] * fields.get("channel_count", 1) * fields.get("sample_n_bytes", 2)
    present = size - start
    return Length(claimed, min(claimed, present)) if claimed and present >= 0 else None


def _sphere_fields(header: bytes) -> Iterator[tuple[str, int]]:
    for line in header.decode("latin-1").partition("end_head")[0].splitlines():
        words = line.split()
        if len(words) == 3 and words[1] == "-i":
            yield words[0], int(words[2])


_PARSERS: dict[bytes, Callable[[BinaryIO, int, bytes], Length | None]] = {
    **dict.fromkeys((b"RIFF", b"RIFX", b"RF64", b"BW64"), _riff),
    **dict.fromkeys((b".snd", b"dns."), _au),
    b"riff": _wave64,
    b"FORM": _form,
    b"caff": _caf,
    b"NIST": _sphere,
}

"""MPEG audio (MP3) without a true frame count, made whole for libsndfile.

libsndfile reads as many samples as the Xing or Info frame at the start counts. Where there is none it estimates from
the first frames: a recording of variable bit rate silently loses up to most of its length, and so do joined files.
This module counts the frames and puts the count where libsndfile looks for it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from spiking_tasnet.separation.audio.pieces import Piece

# kbit/s by index 1 to 14, of (MPEG 1?, layer).
_LOW = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
BIT_RATES = {
    (True, 1): tuple(range(32, 449, 32)),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): _LOW,
    (False, 3): _LOW,
}
RATES = (44100, 48000, 32000)
CHUNK = 1 << 20
SEARCHED = 1 << 16  # bytes
LONGEST_FRAME = 2881  # bytes
VBRI_AT = 36  # bytes from the start of a frame
SAME_STREAM = 0xFFFE0C00  # sync, version, layer and rate: what no frame of a stream changes


@dataclass(frozen=True)
class Frame:
    """One frame's header: its length in bytes and in samples, and where its Xing tag would be (layer III)."""

    size: int
    n_samples: int
    rate: int
    tag_at: int | None


@dataclass(frozen=True)
class Mpeg:
    """A stream of frames.

    Attributes:
        pieces: of the file, or None where libsndfile reads all of it as it is.
        n_claimed: frames that the Xing or Info tag counts; None without one.
        n_frames: frames there are, the tag's not counted.
        n_samples: samples of one frame.
        rate: Hz.
        gap: bytes between frames that are none.
    """

    pieces: tuple[Piece, ...] | None
    n_claimed: int | None
    n_frames: int
    n_samples: int
    rate: int
    gap: int


def parse(word: int) -> Frame | None:
    """The frame whose first four bytes are `word`, or None; free bit rates are not known here."""
    version, layer, rate, index = word >> 19 & 3, 4 - (word >> 17 & 3), word >> 10 & 3, word >> 12 & 15
    if word >> 21 != 0x7FF or version == 1 or layer == 4 or rate == 3 or index in (0, 15):
        return None
    hertz = RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    bits, padding = 1000 * BIT_RATES[version == 3, layer][index - 1], word >> 9 & 1
    n_samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    size = (12 * bits // hertz + padding) * 4 if layer == 1 else n_samples // 8 * bits // hertz + padding
    mono = word >> 6 & 3 == 3
    tag_at = 4 + ((17 if mono else 32) if version == 3 else 9 if mono else 17)
    return Frame(size, n_samples, hertz, tag_at if layer == 3 else None)


def read_mpeg(stream: BinaryIO, size: int, search: bool = False) -> Mpeg | None:
    """Count the frames of a file of `size` bytes; None if it is no MPEG audio.

    Args:
        stream: the file.
        size: its bytes.
        search: also look for frames behind other bytes, as where the beginning was cut off.
    """
    start = _first_frame(stream, size, search)
    if start is None:
        return None
    stream.seek(start)
    head = stream.read(LONGEST_FRAME)
    (word,) = struct.unpack(">I", head[:4])
    first = parse(word)
    assert first is not None  # `_first_frame` found it
    tag_at, n_claimed, tag_size = _count_at(head, first), None, 0
    if tag_at is not None:
        n_claimed, tag_size = struct.unpack(">I", head[tag_at : tag_at + 4])[0], first.size
    runs, n_frames, gap = _walk(stream, size, start + tag_size, word & SAME_STREAM)
    pieces: tuple[Piece, ...] | None = None
    if first.tag_at is None:
        pass  # layers I and II have no such tag
    elif tag_at is None or n_claimed is None:
        pieces = (_tag_frame(word, n_frames), *runs)
    elif gap or n_frames > n_claimed:
        at = start + tag_at
        pieces = ((start, at), struct.pack(">I", max(n_frames, n_claimed)), (at + 4, start + first.size), *runs)
    return Mpeg(pieces, n_claimed, n_frames, first.n_samples, first.rate, gap)


def _count_at(head: bytes, first: Frame) -> int | None:
    """Where the first frame has the number of frames: in a Xing, Info or VBRI tag."""
    if first.tag_at is None:
        return None
    for at in (first.tag_at, first.tag_at + 2):  # 2 bytes of checksum may lie in between
        tag = head[at : at + 12]
        if tag[:4] in (b"Xing", b"Info") and len(tag) == 12 and tag[7] & 1:
            return at + 8
    return VBRI_AT + 14 if head[VBRI_AT : VBRI_AT + 4] == b"VBRI" and len(head) >= VBRI_AT + 18 else None


def _first_frame(stream: BinaryIO, size: int, search: bool) -> int | None:
    """Where the first of three frames on end is: at the start, behind ID3v2 tags, or where `search` finds it."""
    at = 0
    while True:
        stream.seek(at)
        head = stream.read(10)
        if len(head) < 10:
            return None
        if head[:3] != b"ID3":
            break
        length = 0
        for seven_bits in head[6:10]:
            length = length << 7 | seven_bits & 127
        at, search = at + 10 + length + (10 if head[5] & 16 else 0), True  # there may be zeros behind a tag
    stream.seek(at)
    content = stream.read(SEARCHED)
    for place in range(len(content) - 4 if search else 1):
        if _follow(content, place) or (place == 0 and _follow(content, 0, at_least=1) and at + len(content) >= size):
            return at + place
    return None


def _follow(content: bytes, place: int, at_least: int = 3) -> bool:
    """Whether that many frames of one kind lie at `place`, one behind the other."""
    kind = None
    for _ in range(at_least):
        word = int.from_bytes(content[place : place + 4], "big")
        frame = parse(word)
        if frame is None or kind not in (None, word & SAME_STREAM):
            return False
        kind, place = word & SAME_STREAM, place + frame.size
    return True


def _walk(stream: BinaryIO, size: int, at: int, kind: int) -> tuple[list[tuple[int, int]], int, int]:
    """Runs of frames of one kind from `at` on: (start, stop) of each, number of frames, bytes between the runs."""
    runs: list[tuple[int, int]] = []
    count, gap, base, content = 0, 0, at, b""
    begun = None
    while at + 4 <= size:
        if at + LONGEST_FRAME > base + len(content) and base + len(content) < size or not base <= at:
            stream.seek(at)
            base, content = at, stream.read(CHUNK)
            if len(content) < 4:
                break
        place = at - base
        word = int.from_bytes(content[place : place + 4], "big")
        frame = parse(word) if word & SAME_STREAM == kind else None
        if frame is not None and at + frame.size <= size:
            begun = at if begun is None else begun
            count, at = count + 1, at + frame.size
            continue
        if begun is not None:
            runs.append((begun, at))
            begun = None
        found = _resync(content, place + 1, kind)
        after = base + found if found is not None else base + len(content) - 3
        if found is None and base + len(content) >= size:
            break
        gap += after - at if found is not None else 0
        at = max(after, at + 1)
    if begun is not None:
        runs.append((begun, at))
    return runs, count, gap


def _resync(content: bytes, place: int, kind: int) -> int | None:
    """The next place of a frame that another follows."""
    while True:
        place = content.find(b"\xff", place)
        if place < 0 or place + 4 > len(content):
            return None
        word = int.from_bytes(content[place : place + 4], "big")
        frame = parse(word) if word & SAME_STREAM == kind else None
        if frame is not None:
            then = content[place + frame.size : place + frame.size + 4]
            if len(then) < 4 or int.from_bytes(then, "big") & SAME_STREAM == kind:
                return place
        place += 1


def _tag_frame(word: int, n_frames: int) -> bytes:
    """A frame without sound that counts those which follow, of the kind of the frame that begins with `word`."""
    word = word & ~0xF000 | 9 << 12 | 0x10000  # a bit rate at which the tag fits; no checksum
    frame = parse(word)
    assert frame is not None and frame.tag_at is not None  # of layer III, as the frame given
    content = bytearray(max(frame.size, frame.tag_at + 12))
    content[:4] = struct.pack(">I", word)
    content[frame.tag_at : frame.tag_at + 12] = b"Xing" + struct.pack(">II", 1, n_frames)
    return bytes(content)

"""Raw samples or WAV on pipes, which cannot be wound: read as they come, written as they are ready."""

from __future__ import annotations

import os
import struct

import numpy as np

READ = 1 << 14  # bytes at a time, at most; a pipe gives what there is
ENDLESS = 0xFFFFFFFF  # bytes that a WAV header claims when the end is not known
DTYPES = {"s16": np.dtype("<i2"), "f32": np.dtype("<f4")}
SCALES = {"s16": 1 / 32768, "f32": 1.0}
KINDS = {(1, 16): "s16", (3, 32): "f32"}  # of WAV: format tag and bits
MOST_HEADER = 1 << 20  # bytes before the samples


class PcmReader:
    """Samples from a file descriptor.

    Args:
        descriptor: to read from.
        rate: of raw samples, Hz.
        kind: of raw samples, a key of `DTYPES`.
        channels: of raw samples.

    Attributes:
        rate, kind, channels: as given, or as a WAV header says.
        is_wav: whether it has a header.

    Raises:
        ValueError: a WAV file whose samples are of another kind, or a header without end.
    """

    def __init__(self, descriptor: int, rate: int, kind: str = "s16", channels: int = 1):
        self._descriptor, self._rest, self._left = descriptor, b"", float("inf")
        self.rate, self.kind, self.channels = rate, kind, channels
        self._fill(4)
        self.is_wav = self._rest.startswith(b"RIFF")
        if self.is_wav:
            self._read_header()

    def read(self) -> np.ndarray:
        """The next samples, the mean over channels, (n_samples,) float32; none at the end."""
        size = DTYPES[self.kind].itemsize * self.channels
        self._fill(size)
        count = min(len(self._rest), self._left) // size
        data, self._rest = self._rest[: int(count) * size], self._rest[int(count) * size :]
        self._left -= len(data)
        samples = np.frombuffer(data, DTYPES[self.kind]).reshape(-1, self.channels)
        return samples.mean(axis=1, dtype=np.float32) * np.float32(SCALES[self.kind])

    def _fill(self, size: int) -> None:
        """Read until there are `size` bytes, or no more come."""
        while len(self._rest) < size and (more := os.read(self._descriptor, READ)):
            self._rest += more

    def _take(self, size: int) -> bytes:
        self._fill(size)
        taken, self._rest = self._rest[:size], self._rest[size:]
        if len(taken) < size:
            raise ValueError("standard input: a WAV header without end found; give the whole file")
        return taken

    def _read_header(self) -> None:
        if self._take(12)[8:] != b"WAVE":
            raise ValueError("standard input: RIFF that is no WAVE found, WAV or raw samples expected")
        known = False
        while True:
            name, size = struct.unpack("<4sI", self._take(8))
            if name == b"data":
                break
            if size > MOST_HEADER:
                raise ValueError(f"standard input: a chunk of {size} bytes before the samples found; convert the file")
            chunk = self._take(size + size % 2)
            if name == b"fmt " and size >= 16:
                tag, self.channels, self.rate, _, _, bits = struct.unpack("<HHIIHH", chunk[:16])
                tag = struct.unpack("<H", chunk[24:26])[0] if tag == 0xFFFE and size >= 26 else tag
                if (tag, bits) not in KINDS or not 1 <= self.channels <= 64:
                    raise ValueError(
                        f"standard input: WAV of format {tag}, {bits} bits and {self.channels} channels found, 16-bit "
                        "or float32 samples in 1 to 64 channels expected; convert it"
                    )
                self.kind, known = KINDS[tag, bits], True
        if not known:
            raise ValueError("standard input: WAV samples without a format found; write the file again")
        self._left = size if 0 < size < ENDLESS - 1024 else float("inf")  # 0 and nearly 4 GB: written to a pipe


class PcmWriter:
    """Samples to a file descriptor, of the kind and with the header of what a reader reads.

    Args:
        descriptor: to write to.
        reader: of the mixture.
        channels: of what is written.

    Attributes:
        clipped: samples beyond full scale, of 16 bits.
    """

    def __init__(self, descriptor: int, reader: PcmReader, channels: int):
        self._descriptor, self.kind, self.clipped = descriptor, reader.kind, 0
        if reader.is_wav:
            size = DTYPES[self.kind].itemsize
            tag = next(tag for (tag, _), kind in KINDS.items() if kind == self.kind)
            frame = size * channels
            form = struct.pack("<HHIIHH", tag, channels, reader.rate, reader.rate * frame, frame, 8 * size)
            head = b"RIFF" + struct.pack("<I", ENDLESS) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
            self._put(head + b"data" + struct.pack("<I", ENDLESS))

    def write(self, rows: np.ndarray) -> None:
        """Write (channels, n_samples), full scale 1; a 16-bit sample beyond it becomes the largest."""
        samples = np.ascontiguousarray(rows.T)
        if self.kind == "s16":
            integers = np.rint(samples * 32768)
            kept = np.clip(integers, -32768, 32767)
            self.clipped += int((integers != kept).sum())
            samples = kept
        self._put(samples.astype(DTYPES[self.kind]).tobytes())

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

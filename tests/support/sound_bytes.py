"""Sound files edited byte by byte, as crashes, pipes and other programs leave them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
KINDS = {  # suffix: container, kind of samples
    "wav": ("WAV", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "sph": ("NIST", "PCM_16"),
    "svx": ("SVX", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}


def sound(seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    """Noise (time,) that grows louder and softer."""
    time = np.arange(round(seconds * RATE)) / RATE
    return 0.2 * np.random.default_rng(seed).standard_normal(len(time)).clip(-3, 3) * np.sin(3 * time + 0.3)


def write_kind(folder: Path, suffix: str, seconds: float = 2.0) -> Path:
    """A valid file of `sound`."""
    container, kind = KINDS[suffix]
    path = folder / f"a.{suffix}"
    soundfile.write(path, sound(seconds), RATE, format=container, subtype=kind)
    return path


def edited(path: Path, offset: int, content: bytes) -> Path:
    """The file with some bytes replaced."""
    data = bytearray(path.read_bytes())
    data[offset : offset + len(content)] = content
    path.write_bytes(data)
    return path


def size_field(path: Path) -> tuple[int, int, str]:
    """Where the length of the sound stands in a file's header: offset, bytes, order of the bytes."""
    data, suffix = path.read_bytes(), path.suffix[1:]
    if suffix == "rf64":
        return data.index(b"ds64") + 16, 8, "little"
    if suffix in ("wav", "w64"):
        return (data.index(b"data") + 4, 4, "little") if suffix == "wav" else (data.index(b"data") + 16, 8, "little")
    if suffix in ("aiff", "svx"):
        return data.index(b"SSND" if suffix == "aiff" else b"BODY") + 4, 4, "big"
    return (8, 4, "big") if suffix == "au" else (data.index(b"data") + 4, 8, "big")


def set_size(path: Path, number: int) -> Path:
    """The file with another length of the sound in its header; -1 sets all bits."""
    offset, width, order = size_field(path)
    return edited(path, offset, (number & ((1 << 8 * width) - 1)).to_bytes(width, order))


def set_flac_samples(path: Path, n_samples: int) -> Path:
    """A FLAC file with another number of samples in its header; 0 is unknown."""
    data = bytearray(path.read_bytes())
    data[21] = data[21] & 0xF0 | n_samples >> 32
    data[22:26] = struct.pack(">I", n_samples & 0xFFFFFFFF)
    path.write_bytes(data)
    return path


def mp3_frames(data: bytes) -> list[bytes]:
    """Frames of an MPEG-2 layer III stream at 16 kHz, the first of which is the encoder's tag."""
    kbits = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    frames, at = [], 0
    while at + 4 <= len(data):
        assert data[at] == 0xFF and data[at + 1] & 0xE0 == 0xE0
        size = 72 * 1000 * kbits[data[at + 2] >> 4] // RATE + (data[at + 2] >> 1 & 1)
        frames.append(data[at : at + size])
        at += size
    return frames

"""Audio files through soundfile: checked when read, written whole or not at all."""

from __future__ import annotations

import io
import os
import wave
from pathlib import Path

import numpy as np
import soundfile

from spiking_tasnet.files import printable, whole_file, write_error
from spiking_tasnet.separation.audio.sound_stream import SoundStream
from spiking_tasnet.separation.audio.sphere import is_sphere, read_header
from spiking_tasnet.separation.audio.verdict import check_finite, missing

INT16_SCALE = 32768  # a 16-bit sample is an integer over this
BLOCK = 1 << 20  # numbers read at once


def read_audio(path: str | os.PathLike, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """Read a sound file.

    Args:
        path: any format that libsndfile reads, or SPHERE as the LDC delivers it.
        sample_rate: Hz expected; None takes any.

    Returns:
        Samples, float32 (n_chan, n_samples), full scale 1; sample rate in Hz.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the system does not let us read it.
        ValueError: the file cannot be read, is empty, holds NaN or infinity, less than its header says, or has another
            sample rate.
    """
    blocks = []
    with SoundStream(path) as stream:
        rate = stream.rate
        if sample_rate is not None and rate != sample_rate:
            raise ValueError(f"{printable(path)}: {rate} Hz found, {sample_rate} Hz expected; resample it first")
        while len(block := stream.read(max(1, BLOCK // stream.n_chan))):
            check_finite(block, stream)
            blocks.append(block.T)
        if not blocks:
            raise stream.no_samples()
        lack = missing(stream)
    if lack:
        raise ValueError(f"{printable(path)}: {lack}; copy it again")
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1), rate


def audio_seconds(path: str | os.PathLike) -> float:
    """Duration of a sound file, from its header; counted where that does not tell.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the system does not let us read it.
        ValueError: it has none.
    """
    try:
        if is_sphere(path):
            header = read_header(path)
            return float(header["sample_count"]) / float(header["sample_rate"])
    except (OSError, KeyError, ValueError, ZeroDivisionError):
        pass  # what is wrong with it, reading tells
    n_samples, rate = audio_length(path, strict=False)
    return n_samples / rate


def audio_length(path: str | os.PathLike, strict: bool = True) -> tuple[int, int]:
    """Samples of each channel and rate (Hz) of a sound file, by its header; counted where that does not tell.

    Args:
        path: as `read_audio`.
        strict: refuse a file with fewer bytes than its header counts.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the system does not let us read it.
        ValueError: it cannot be read as audio, or is cut.
    """
    with SoundStream(path) as stream:
        length = stream.layout.length
        if strict and length is not None and length.is_short:
            raise ValueError(
                f"{printable(path)}: {length.present} bytes of sound found, {length.claimed} expected by its header; "
                "copy it again"
            )
        known = None if stream.layout.mpeg or len(stream.layout.links) > 1 else stream.n_stated
        while known is None and len(stream.read(max(1, BLOCK // stream.n_chan))):
            pass
        return stream.n_read if known is None else known, stream.rate


def read_mono(path: str | os.PathLike, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """Read a sound file of one channel: samples (n_samples,) and its rate in Hz.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as `read_audio`, or the file has several channels.
    """
    samples, rate = read_audio(path, sample_rate)
    if len(samples) != 1:
        raise ValueError(
            f"{printable(path)}: {len(samples)} channels found, 1 expected; mix them down or pick one first"
        )
    return samples[0], rate


def write_audio(path: str | os.PathLike, samples: np.ndarray, sample_rate: int, subtype: str = "PCM_16") -> None:
    """Write a WAV file, whole or not at all.

    Args:
        path: where; folders are made.
        samples: (n_samples,) or (n_chan, n_samples), full scale 1. Zeros for no samples are fine, NaN is not.
        sample_rate: Hz.
        subtype: ``PCM_16`` (rounded to the nearest of 65536 levels) or ``FLOAT``.

    Raises:
        OSError: the disk is full, or not ours to write.
        ValueError: NaN or infinity, or beyond full scale for ``PCM_16``: nothing is clipped silently.
    """
    samples = np.asarray(samples)
    if not np.isfinite(samples).all():
        raise ValueError(f"{path}: NaN or infinite samples to write, finite ones expected")
    if subtype == "PCM_16":
        peak = float(np.abs(samples).max(initial=0.0))
        if peak > 1:
            raise ValueError(f"{path}: a peak of {peak:.3g} to write, at most 1 expected; scale it down")
        samples = np.clip(np.rint(samples * INT16_SCALE), -INT16_SCALE, INT16_SCALE - 1).astype("<i2")
    else:
        samples = samples.astype(np.float32)
    with whole_file(path) as temporary:
        try:
            if subtype == "PCM_16":
                _write_pcm(temporary, samples, sample_rate)
            else:
                soundfile.write(temporary, samples.T, sample_rate, subtype=subtype)
        except (soundfile.LibsndfileError, OSError) as error:
            raise write_error(path, error) from None


def _write_pcm(path: Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write 16-bit samples (..., n_samples) by the standard library: on short files several times faster.

    Put together in memory first: on a disk that is full, a writer with a file complains once more when it is deleted.
    """
    contents = io.BytesIO()
    with wave.open(contents, "wb") as stream:
        stream.setnchannels(1 if samples.ndim == 1 else len(samples))
        stream.setsampwidth(2)
        stream.setframerate(sample_rate)
        stream.writeframes(samples.T.tobytes())
    path.write_bytes(contents.getbuffer())

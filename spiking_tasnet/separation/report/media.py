"""Sounds and spectrogram pictures as bytes that fit inside an HTML file."""

from __future__ import annotations

import base64
import io

import matplotlib
import numpy as np
import soundfile
from PIL import Image
from scipy.signal import stft

WINDOW_SECONDS = 0.032
HOP_SECONDS = 0.012
RANGE_DB = 70.0  # from the loudest point of the mixture down to black
SHADES = 64  # few enough for small files, too many to see


def rms(signal: np.ndarray) -> float:
    """Root mean square of a signal (time,)."""
    return float(np.sqrt(np.mean(np.square(signal, dtype=np.float64))))


def sound_bytes(signal: np.ndarray, sample_rate: int, media_type: str = "audio/wav") -> bytes:
    """Encode a signal (time,) within +-1 as a file of 16-bit samples.

    Args:
        signal: (time,).
        sample_rate: Hz.
        media_type: ``audio/wav``, or ``audio/flac``, which is lossless too and half the size.

    Raises:
        ValueError: a sample lies outside +-1 and would be clipped.
    """
    peak = float(np.max(np.abs(signal)))
    if peak > 1:
        raise ValueError(f"peak {peak:.3f} found, at most 1 expected: rescale before writing 16-bit audio")
    buffer = io.BytesIO()
    soundfile.write(buffer, signal, sample_rate, subtype="PCM_16", format=media_type.partition("/")[2])
    return buffer.getvalue()


def spectrogram_db(signal: np.ndarray, sample_rate: int, level: float) -> np.ndarray:
    """Magnitude spectrogram (n_freqs, n_frames), lowest frequency first.

    Args:
        signal: (time,).
        sample_rate: Hz.
        level: amplitude of the full-scale sine that is 0 dB, so that pictures of one example can be compared.

    Returns:
        dB, from -`RANGE_DB` to 0; a sine of amplitude `level` / 4 or more is 0.
    """
    window = int(WINDOW_SECONDS * sample_rate)
    hop = max(1, int(HOP_SECONDS * sample_rate))
    # Centred frames, zeros around the signal; scipy divides by the sum of the Hann window, which is window / 2. (Not by
    # librosa: its import writes a cache of compiled code, and fails where neither home nor environment is writable.)
    padded = np.pad(np.asarray(signal, np.float64), (0, max(0, window - len(signal))))
    frames = 1 + len(signal) // hop
    _, _, spectrum = stft(padded, nperseg=window, noverlap=window - hop, padded=False)
    magnitude = np.abs(spectrum[:, :frames]) * window / 2
    # A Hann-windowed sine of amplitude A peaks at A * window / 4; speech spreads over many bins, hence the extra 1/4.
    reference = level / 4 * window / 4
    decibels = 20 * np.log10(np.maximum(magnitude, 1e-12) / reference)
    return np.clip(decibels, -RANGE_DB, 0)


def spectrogram_png(signal: np.ndarray, sample_rate: int, level: float) -> bytes:
    """Draw `spectrogram_db` as a PNG of one pixel a bin and frame, lowest frequency at the bottom."""
    decibels = spectrogram_db(signal, sample_rate, level)
    shades = np.round((1 + decibels / RANGE_DB) * (SHADES - 1)).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(shades[::-1]))
    colours = matplotlib.colormaps["magma"](np.linspace(0, 1, SHADES))[:, :3]
    image.putpalette(np.round(255 * colours).astype(np.uint8).ravel().tolist())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def data_uri(content: bytes, media_type: str) -> str:
    """Write bytes as a data: address."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"

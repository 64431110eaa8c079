"""What is done to espeak-ng's samples: vocal-tract scaling with resampling, trimming, level, pitch measurement.

All signals are float32 of shape (n_samples,).
"""

from __future__ import annotations

import numpy as np
import soxr

FRAME_SECONDS = 0.01
MARGIN_SECONDS = 0.06  # silence kept on either side of the speech
TRIM_DB = -40.0  # frames this far under the loudest are silence
PEAK = 0.5


def scale_tract(samples: np.ndarray, rate_in: int, rate_out: int, tract: float) -> np.ndarray:
    """Resample to `rate_out` and play `tract` times faster: formants and pitch rise, the duration shrinks by it."""
    return soxr.resample(np.asarray(samples, dtype=np.float32), rate_in * tract, rate_out, quality="HQ")


def trim(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Cut silence at both ends to `MARGIN_SECONDS` (to within a frame); zeros are added where there was less."""
    frame = int(FRAME_SECONDS * sample_rate)
    margin = int(MARGIN_SECONDS * sample_rate)
    n_frames = len(samples) // frame
    energy = (samples[: n_frames * frame].reshape(n_frames, frame) ** 2).mean(axis=1)
    loud = np.flatnonzero(energy > energy.max() * 10 ** (TRIM_DB / 10))
    first, last = loud[0] * frame, (loud[-1] + 1) * frame
    padded = np.pad(samples, margin)
    return padded[first : last + 2 * margin]


def normalise(samples: np.ndarray) -> np.ndarray:
    """Scale to a peak of `PEAK`, full scale being 1."""
    return samples * np.float32(PEAK / np.abs(samples).max())


def median_f0(samples: np.ndarray, sample_rate: int, lowest: float = 55.0, highest: float = 400.0) -> float:
    """Return the median pitch of the voiced frames in Hz, by autocorrelation of 40 ms frames every 10 ms.

    A frame is voiced when it is within 15 dB of the loudest and its normalised autocorrelation exceeds 0.5. The
    shortest lag within 10 % of the best wins, which avoids falling an octave.

    Raises:
        ValueError: no frame is voiced.
    """
    frame, hop = int(0.04 * sample_rate), int(0.01 * sample_rate)
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), frame)[::hop]
    frames = frames - frames.mean(axis=1, keepdims=True)
    energy = (frames**2).sum(axis=1)
    frames = frames[energy > energy.max() * 10**-1.5]
    spectrum = np.abs(np.fft.rfft(frames, 2 * frame)) ** 2
    correlation = np.fft.irfft(spectrum)[:, :frame]
    correlation /= correlation[:, :1] * (1 - np.arange(frame) / frame)  # undo the taper of the finite frame
    shortest, longest = int(sample_rate / highest), int(sample_rate / lowest)
    window = correlation[:, shortest : min(longest, frame * 3 // 4) + 1]
    best = window.max(axis=1)
    peak = (window[:, 1:-1] >= window[:, :-2]) & (window[:, 1:-1] >= window[:, 2:])
    candidate = peak & (window[:, 1:-1] >= 0.9 * best[:, None])
    voiced = candidate.any(axis=1) & (best > 0.5)
    if not voiced.any():
        raise ValueError("no voiced speech found; expected a voice with a pitch: choose another variant")
    lag = candidate[voiced].argmax(axis=1) + 1 + shortest
    return float(np.median(sample_rate / lag))

"""Describe a voice by a few numbers that distinguish two talkers, from their separated speech."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from scipy.fft import dct
from torchaudio.transforms import MelSpectrogram

WINDOW_SECONDS, HOP_SECONDS = 0.032, 0.01
N_MELS, N_CEPSTRA = 32, 19  # cepstra 1 to 19: the shape of the spectrum, not its level
ACTIVE_DB, DOMINANT_DB = -30.0, 3.0  # of frames, against the talker's loudest; against all other talkers
F0_RANGE = (60.0, 400.0)  # Hz
PERIODICITY = 0.5  # of the normalised autocorrelation, at least, where a frame counts as voiced
F0_WEIGHT = 8.0  # of an octave, against a unit of the cepstra
FEWEST_FRAMES = 10


@dataclass
class Voice:
    """Means over what was heard of one talker.

    Attributes:
        cepstra: mean mel cepstrum (N_CEPSTRA,).
        frames: how many frames it is the mean of.
        log_f0: mean over stretches of the median pitch, octaves above 1 Hz; 0 where none was found.
        voiced: how many frames have a pitch.
    """

    cepstra: np.ndarray
    frames: float
    log_f0: float
    voiced: float

    def __add__(self, other: Voice) -> Voice:
        """Both heard one after the other."""
        frames, voiced = self.frames + other.frames, self.voiced + other.voiced
        cepstra = (self.frames * self.cepstra + other.frames * other.cepstra) / max(frames, 1)
        log_f0 = (self.voiced * self.log_f0 + other.voiced * other.log_f0) / max(voiced, 1)
        return Voice(cepstra, frames, log_f0, voiced)


def voices(est_sources: np.ndarray, sample_rate: int) -> list[Voice]:
    """The voice in each source, from the frames where it is louder than the others.

    Args:
        est_sources: (n_src, time), at any levels.
        sample_rate: Hz.
    """
    levels = np.sqrt(np.mean(np.square(est_sources, dtype=np.float64), axis=1, keepdims=True))
    sources = (est_sources / np.maximum(levels, 1e-30)).astype(np.float32)
    if sources.shape[1] < round(WINDOW_SECONDS * sample_rate):
        return [Voice(np.zeros(N_CEPSTRA), 0, 0.0, 0) for _ in sources]
    mels = _mel_spectrogram(sample_rate)(torch.from_numpy(sources)).numpy()  # (n_src, N_MELS, n_frames)
    power = mels.sum(axis=1)
    found = []
    for source, mel, own, others in zip(sources, mels, power, power.sum(axis=0) - power, strict=True):
        active = own > own.max() * 10 ** (ACTIVE_DB / 10)
        dominant = active & (own > others * 10 ** (DOMINANT_DB / 10))
        frames = dominant if dominant.sum() >= FEWEST_FRAMES else active
        logarithm = np.log(mel + 1e-4 * mel.mean() + 1e-30)[:, frames]
        cepstra = np.asarray(dct(logarithm, norm="ortho", axis=0))[1 : N_CEPSTRA + 1]
        pitches = _pitches(source, sample_rate, np.flatnonzero(frames))
        log_f0 = float(np.median(np.log2(pitches))) if len(pitches) else 0.0
        count = int(frames.sum())
        found.append(Voice(cepstra.mean(axis=1) if count else np.zeros(N_CEPSTRA), count, log_f0, len(pitches)))
    return found


def likeness(known: list[Voice], heard: list[Voice], permutation: tuple[int, ...]) -> float:
    """How well `heard`, in the order of `permutation`, fits `known`: -1 to 1; for two talkers it is a cosine.

    Talkers in one recording share room and microphone, so what counts is how they differ from each other.
    """
    order = [heard[place] for place in permutation]
    contrast, other = _contrast(known, heard), _contrast(order, known)
    size = np.linalg.norm(contrast) * np.linalg.norm(other)
    return float((contrast * other).sum() / size) if size > 0 else 0.0


def _contrast(talkers: list[Voice], others: list[Voice]) -> np.ndarray:
    """What tells each talker from the mean of all, (n_src, N_CEPSTRA + 1)."""
    pitched = all(voice.voiced for voice in (*talkers, *others))
    rows = np.array([[*voice.cepstra, F0_WEIGHT * voice.log_f0 * pitched] for voice in talkers])
    return rows - rows.mean(axis=0)


@cache
def _mel_spectrogram(sample_rate: int) -> MelSpectrogram:
    window, hop = (round(seconds * sample_rate) for seconds in (WINDOW_SECONDS, HOP_SECONDS))
    return MelSpectrogram(sample_rate, n_fft=window, hop_length=hop, n_mels=N_MELS, f_min=60, center=False)


def _pitches(source: np.ndarray, sample_rate: int, frames: np.ndarray) -> np.ndarray:
    """Pitch in Hz of those of `frames` that are voiced, by the peak of the normalised autocorrelation."""
    window, hop = 2 * round(0.02 * sample_rate), round(HOP_SECONDS * sample_rate)
    starts = frames[frames * hop + window <= len(source)] * hop
    if not len(starts):
        return np.zeros(0)
    pieces = source[starts[:, None] + np.arange(window)]
    taper = np.hanning(window)
    correlation = _autocorrelation((pieces - pieces.mean(axis=1, keepdims=True)) * taper)
    correlation /= _autocorrelation(taper[None]) + 1e-9
    lags = np.arange(int(sample_rate / F0_RANGE[1]), min(int(sample_rate / F0_RANGE[0]), window - 1))
    best = lags[correlation[:, lags].argmax(axis=1)]
    voiced = correlation[np.arange(len(best)), best] > PERIODICITY * correlation[:, 0]
    return sample_rate / best[voiced]


def _autocorrelation(pieces: np.ndarray) -> np.ndarray:
    """(n_pieces, window) -> the same, by lag."""
    window = pieces.shape[1]
    return np.fft.irfft(np.abs(np.fft.rfft(pieces, 2 * window)) ** 2)[:, :window]

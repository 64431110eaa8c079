"""Speak all utterances of one talker. It runs in a process of its own (see espeak.py for why)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import soundfile
from espeak import Espeak
from talkers import Talker
from voice import median_f0, normalise, scale_tract, trim

from spiking_tasnet.files import whole_file

PITCH_SPREAD = 3  # espeak-ng's pitch unit (1.4 %), either way from utterance to utterance
RATE_SPREAD = 0.07  # of the talker's rate, either way
CALIBRATION = "We were away all morning, and the old man told us where you would be."
SECONDS = (2.4, 4.6)  # an utterance beyond these is said again at a rate that would bring it there


def speak_talker(out: Path, talker: Talker, sentences: dict[str, str], seed: int, sample_rate: int) -> int:
    """Write the WAV files of a talker that are not there yet.

    All utterances are spoken in order, even those already written, since each depends on those before it.

    Args:
        out: corpus root.
        talker: who speaks.
        sentences: what to say, by path under `out`.
        seed: of the variation between utterances.
        sample_rate: of the files, in Hz.

    Returns:
        The number of utterances.
    """
    with Espeak() as espeak:
        voice = _Voice(espeak, talker, sample_rate)
        pitch = voice.find_pitch()
        rng = np.random.default_rng([seed, 4, *talker.id.encode()])
        for path, sentence in sentences.items():
            rate = talker.rate * (1 + rng.uniform(-RATE_SPREAD, RATE_SPREAD))
            samples = voice.say(sentence, pitch + int(rng.integers(-PITCH_SPREAD, PITCH_SPREAD + 1)), rate)
            seconds = len(samples) / sample_rate
            wanted = min(max(seconds, SECONDS[0]), SECONDS[1])
            if seconds != wanted:
                samples = voice.say(sentence, pitch, rate * seconds / wanted)
            if not (out / path).is_file():
                with whole_file(out / path) as temporary:
                    soundfile.write(temporary, np.round(samples * 32767).astype(np.int16), sample_rate)
    return len(sentences)


class _Voice:
    def __init__(self, espeak: Espeak, talker: Talker, sample_rate: int) -> None:
        self.espeak, self.talker, self.sample_rate = espeak, talker, sample_rate

    def say(self, text: str, pitch: int, rate: float) -> np.ndarray:
        """Return float32 samples, shape (n_samples,), trimmed, with the peak at `voice.PEAK`."""
        talker = self.talker
        samples = self.espeak.say(
            text,
            talker.accent,
            talker.variant,
            pitch=min(max(pitch, 0), 99),
            pitch_range=talker.pitch_range,
            rate=round(rate / talker.tract),  # a scaled tract plays faster
        )
        scaled = scale_tract(samples / np.float32(32768), self.espeak.sample_rate, self.sample_rate, talker.tract)
        return normalise(trim(scaled, self.sample_rate))

    def find_pitch(self) -> int:
        """Return espeak-ng's pitch value that gives the talker's f0.

        The unit is logarithmic, about 60 steps an octave, but what 50 means is the variant's affair: measure and
        correct a few times.
        """
        pitch = 50
        for _ in range(4):
            measured = median_f0(self.say(CALIBRATION, pitch, self.talker.rate), self.sample_rate)
            pitch = min(max(pitch + round(60 * math.log2(self.talker.f0 / measured)), 0), 99)
        return pitch

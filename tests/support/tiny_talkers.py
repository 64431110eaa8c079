"""A folder of talkers of speech-like noise, one folder per talker, as `recipes/talkers` takes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tiny_experiment import speech_like

from spiking_tasnet.separation.audio.files import write_audio


def write_talkers(root: Path, talkers: int = 6, utterances: int = 3, rate: int = 8000) -> Path:
    """Write `talkers` folders of `utterances` files of 1.2 to 2 s."""
    random = np.random.default_rng(0)
    for talker in range(talkers):
        for number in range(utterances):
            samples = speech_like(random, 1.2 + 0.4 * number, rate) * random.uniform(0.1, 0.5)
            write_audio(root / f"t{talker}" / f"t{talker}u{number}.wav", samples, rate)
    return root

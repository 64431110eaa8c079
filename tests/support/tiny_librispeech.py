"""A fabricated LibriSpeech with WHAM's noise and LibriMix's metadata, a few seconds of each."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile
from tiny_experiment import speech_like

RATE = 16000
TALKERS = {"train-clean-100": ("103", "1034", "26"), "dev-clean": ("84", "174"), "test-clean": ("61", "121")}
NOISE = {"train-clean-100": "tr", "dev-clean": "cv", "test-clean": "tt"}
SEXES = {"103": "F", "1034": "M", "26": "M", "84": "F", "174": "M", "61": "M", "121": "F"}
HEADER = "mixture_ID,source_1_path,source_1_gain,source_2_path,source_2_gain,noise_path,noise_gain"


def write_librispeech(root: Path, rows: dict[str, int]) -> tuple[Path, Path, Path]:
    """Write LibriSpeech, metadata and noise; `rows` is how many mixtures each subset has. Returns their folders."""
    rng = np.random.default_rng(0)
    speech, metadata, wham = root / "LibriSpeech", root / "metadata", root / "wham_noise"
    metadata.mkdir(parents=True)
    table = "".join(f"{t:5}| {sex} | some-subset | 25.03 | Name M. F. Name\n" for t, sex in SEXES.items())
    speech.mkdir()
    (speech / "SPEAKERS.TXT").write_text(f";ID  |SEX| SUBSET |MINUTES| NAME\n{table}")
    for subset, talkers in TALKERS.items():
        paths = [_write_speech(speech, subset, talker, part, rng) for talker in talkers for part in (0, 1)]
        noises = [_write_noise(wham, NOISE[subset], number, rng) for number in range(2)]
        with open(metadata / f"libri2mix_{subset}.csv", "w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(HEADER.split(","))
            for number in range(rows[subset]):
                one, two = paths[number % 2], paths[-1 - number % 2]
                name = f"{Path(one).stem}_{Path(two).stem}" + (f"-{number}" if number > 1 else "")
                factors = rng.uniform(0.5, 1.5, 3)
                noise = noises[number % 2]
                writer.writerow([name, one, factors[0], two, factors[1], noise, factors[2]])
        (metadata / f"libri2mix_{subset}_info.csv").write_text("mixture_ID,speaker_1_ID\n")
    return speech, metadata, wham


def _write_speech(root: Path, subset: str, talker: str, part: int, rng: np.random.Generator) -> str:
    name = f"{subset}/{talker}/{100 + part}/{talker}-{100 + part}-0000.flac"
    (root / name).parent.mkdir(parents=True)
    soundfile.write(root / name, speech_like(rng, 1.2 + 0.3 * part, RATE), RATE)
    return name


def _write_noise(root: Path, subset: str, number: int, rng: np.random.Generator) -> str:
    """Two channels; the first recording is shorter than the speech, the second longer."""
    name = f"{subset}/noise{number}_0.5.wav"
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    samples = 0.05 * rng.standard_normal((int((0.7 + 2 * number) * RATE), 2))
    soundfile.write(root / name, samples, RATE)
    return name

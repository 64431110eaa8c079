"""A fabricated experiment folder, as stages 0 to 3 would leave it: four noise 'mixtures' of a second and a half."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from spiking_tasnet.files import write_json
from spiking_tasnet.separation.audio.files import write_audio
from spiking_tasnet.separation.corpora.kaldi import Utterance, write_data_dir

RATE = 8000
SECONDS = 1.5
GENDERS = (("M", "F"), ("F", "M"), ("M", "M"), ("F", "F"))
NOISE = {"ann": 0.1, "snn": 0.2}  # of the other talker left in an estimate


def speech_like(rng: np.random.Generator, seconds: float = SECONDS, rate: int = RATE) -> np.ndarray:
    """Noise (time,) with the tilt and the syllable rhythm of speech; PESQ takes it for an utterance."""
    n_samples = int(seconds * rate)
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    hertz = np.fft.rfftfreq(n_samples, 1 / rate)
    spectrum *= (hertz > 80) / (1 + (hertz / 500) ** 1.5)
    noise = np.fft.irfft(spectrum, n_samples)
    syllables = np.clip(np.sin(2 * np.pi * (3.5 * np.arange(n_samples) / rate + rng.uniform())), 0, 1)
    signal = noise * (0.02 + syllables)
    return (0.3 * signal / np.max(np.abs(signal))).astype(np.float32)


def write_subset(data_dir: Path, subset: str, rng: np.random.Generator, genders=GENDERS) -> list[Utterance]:
    """Write one data folder with its audio and return its utterances."""
    utterances = []
    for number, pair in enumerate(genders):
        name = f"{subset}-mixture-{number}"
        sources = [speech_like(rng) for _ in pair]
        folder = data_dir / "wav8k" / "min" / subset
        paths = [folder / f"s{n}" / f"{name}.wav" for n in range(1, len(pair) + 1)]
        for path, source in zip(paths, sources, strict=True):
            write_audio(path, source, RATE)
        mixture = folder / "mix" / f"{name}.wav"
        write_audio(mixture, np.sum(sources, axis=0), RATE)
        talkers = tuple(f"{subset}{number}{n}" for n in range(len(pair)))
        utterances.append(Utterance(name, mixture, tuple(paths), talkers, pair))
    write_data_dir(data_dir / subset, utterances)
    return utterances


def write_estimates(folder: Path, utterances: list[Utterance], leak: float) -> None:
    """Write estimates that hold `leak` of the other talker, swapped and at an arbitrary level."""
    from spiking_tasnet.separation.audio.files import read_mono

    for utterance in utterances:
        first, second = (read_mono(path)[0] for path in utterance.sources)
        write_audio(folder / "s1" / f"{utterance.id}.wav", 3 * (second + leak * first), RATE, subtype="FLOAT")
        write_audio(folder / "s2" / f"{utterance.id}.wav", 0.1 * (first + leak * second), RATE, subtype="FLOAT")


def write_history(path: Path, epochs: list[tuple[int, int, float, float]]) -> None:
    """Write a history.csv from (epoch, ptl_stage, train_loss, val_loss)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["epoch", "ptl_stage", "train_loss", "val_loss", "lr", "seconds"])
        writer.writerows([*epoch, 1e-3, 60.0] for epoch in epochs)


def write_experiment(root: Path, seed: int = 0, genders=GENDERS) -> tuple[Path, Path]:
    """Write data and an experiment without scores; return (data folder, experiment folder)."""
    rng = np.random.default_rng(seed)
    data_dir, exp = root / "data", root / "exp" / "tiny"
    for subset in ("cv", "tt"):
        utterances = write_subset(data_dir, subset, rng, genders)
        for system, leak in NOISE.items():
            write_estimates(exp / "separated" / system / subset, utterances, leak)
    write_history(exp / "ann" / "history.csv", [(n, 0, 2 - 9 * n / (n + 3), 2 - 8 * n / (n + 3)) for n in range(1, 9)])
    snn_epochs = [(3 * (s - 1) + n, s, -4.5 + 0.2 / n, -4.0 + 0.5 / n) for s in (1, 2, 3) for n in (1, 2, 3)]
    write_history(exp / "snn" / "history.csv", snn_epochs)
    layers = ("separator.0", "separator.1", "separator.2")
    roles = ("encoding", "spiking", "readout")
    stages = [
        {
            "ptl_stage": number,
            "layer": layer,
            "role": role,
            "act_max": 3.2 * number,
            "threshold": 0.1 * number,
            "epochs": 3,
            "val_loss_before": -4.125,
            "val_loss_converted": -2.5 - 0.25 * number,
            "val_loss_best": -3.875,
        }
        for number, (layer, role) in enumerate(zip(layers, roles, strict=True), start=1)
    ]
    write_json(exp / "snn" / "stages.json", stages)
    write_json(exp / "snn" / "cost.json", _cost(layers, roles))
    for system in NOISE:
        write_json(exp / system / "run.json", _run(system))
    return data_dir, exp


def _cost(layers, roles) -> dict:
    counts = {"macs_per_s": 2e6, "synops_per_s": 3e6, "neuron_updates_per_s": 1e5, "spikes_per_neuron": 1.5}
    per_layer = [{"layer": name, "role": role, **counts} for name, role in zip(layers, roles, strict=True)]
    total = {
        "ann_macs_per_s": 7.5e6,
        "snn_macs_per_s": 1.5e6,
        "snn_synops_per_s": 9e6,
        "separator_ann_macs_per_s": 6e6,
        "synops_ratio": 1.5,
        "ann_energy_j_per_s": 3.45e-5,
        "snn_energy_j_per_s": 1.5e-5,
        "energy_ratio": 0.435,
        "neuron_updates_per_s": 3e5,
        "power_proxy_per_s": 1.2e7,
    }
    return {
        "subset": "tt",
        "n_mixtures": 4,
        "audio_seconds": 6.0,
        "num_steps": 32,
        "layers": per_layer,
        "total": total,
        "mac_joule": 4.6e-12,
        "ac_joule": 0.9e-12,
        "source": "Horowitz, ISSCC 2014, 45 nm",
    }


def _run(system: str) -> dict:
    command = {"ann": "spiking-tasnet train --exp exp/tiny", "snn": "spiking-tasnet convert --exp exp/tiny"}[system]
    return {
        "command": command,
        "seed": 20261,
        "hours": 0.125,
        "versions": {"torch": "2.12.1", "spiking_tasnet": "0.1.0"},
        "commit": "0123456789abcdef",
        "dirty": system == "snn",
        "machine": {"cpu": "Some CPU", "cores": 2, "memory_gib": 8},
        "parameters": 123456,
        "train_mixtures": 1000,
        "train_hours_audio": 1.25,
        "epochs": 9,
    }

"""Stage 3: separate every mixture of a data folder."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from pathlib import Path

import torch
from tqdm import tqdm

from spiking_tasnet.files import write_json
from spiking_tasnet.separation.audio import read_mono, write_audio
from spiking_tasnet.separation.cost import cost_per_second
from spiking_tasnet.separation.kaldi import read_data_dir
from spiking_tasnet.separation.network import load_model
from spiking_tasnet.snn import convertible_layers, record_cost

logger = logging.getLogger(__name__)


def separate_set(data_dir: Path, model: Path, out: Path, cost_file: Path | None = None) -> None:
    """Separate every mixture of `data_dir` into `out/s1`, `out/s2`, ... as 32-bit float WAV of the same length.

    Args:
        data_dir: a Kaldi data folder, e.g. `data/tt`.
        model: a `model.pt`, or the folder that holds it.
        out: the order of the sources in it is arbitrary.
        cost_file: where to write operations and energy a second of audio (JSON).

    Raises:
        FileNotFoundError, ValueError: a missing or foreign model, data or audio.
    """
    network = load_model(model / "model.pt" if model.is_dir() else model)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.to(device)
    utterances = read_data_dir(data_dir)
    sample_rate, n_samples = network.config.sample_rate, 0
    with torch.no_grad(), record_cost(network) if cost_file else nullcontext() as costs:
        for utterance in tqdm(utterances, desc=f"{data_dir.name} {model.name}", unit="mixture"):
            mixture, _ = read_mono(utterance.mixture, sample_rate)
            n_samples += len(mixture)
            est_sources = network(torch.from_numpy(mixture)[None].to(device))[0].cpu().numpy()
            for place, source in enumerate(est_sources, start=1):
                write_audio(out / f"s{place}" / f"{utterance.id}.wav", source, sample_rate, subtype="FLOAT")
    if cost_file:
        steps = max((layer.num_steps for layer in convertible_layers(network).values()), default=0)
        facts = {"subset": data_dir.name, "n_mixtures": len(utterances), "audio_seconds": n_samples / sample_rate}
        write_json(cost_file, facts | {"num_steps": steps} | cost_per_second(costs, n_samples / sample_rate))

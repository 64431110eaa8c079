"""Stage 3: separate every mixture of a data folder, and continue where an earlier run of the same model stopped."""

from __future__ import annotations

import hashlib
import logging
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spiking_tasnet.files import write_json
from spiking_tasnet.models import network_path
from spiking_tasnet.part import Part
from spiking_tasnet.progress import Progress
from spiking_tasnet.separation.audio.files import write_audio
from spiking_tasnet.separation.audio.pipes import Pipe, read_source
from spiking_tasnet.separation.corpora.kaldi import Utterance, read_data_dir
from spiking_tasnet.separation.journal import Journal, fingerprint, journal
from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.separation.packed import load_network
from spiking_tasnet.separation.scores.cost import cost_per_second
from spiking_tasnet.snn import convertible_layers, keep_synapses, record_cost
from spiking_tasnet.snn.energy import LayerCost

logger = logging.getLogger(__name__)
DONE = "done.jsonl"  # in the output folder: the model and the mixtures that are finished


def separate_set(
    data_dir: Path,
    model: Path,
    out: Path,
    cost_file: Path | None = None,
    allow_pipes: bool = False,
    *,
    ann: bool = False,
    part: Part | None = None,
) -> None:
    """Separate every mixture of `data_dir` into `out/s1`, `out/s2`, ... as 32-bit float WAV of the same length.

    `out/done.jsonl` holds the model's fingerprint and a line for each finished mixture, with its costs. A mixture in it
    is not separated again if the model, its audio (path, size, time of change) and the sizes of its outputs are the
    same. Costs are summed from these lines, so an interrupted run ends with the same sums. A part has a file of its
    own, `out/done.jsonl.K-of-N`, which a run of the whole takes in.

    Args:
        data_dir: a Kaldi data folder, e.g. `data/tt`; references are not needed.
        model: a `model.pt`, the folder that holds it, a packed file, or the name of a shipped network.
        out: the order of the sources in it is arbitrary.
        cost_file: where to write operations and energy per second of audio (JSON).
        allow_pipes: run the commands of an scp.
        ann: of a packed file take the ANN.
        part: separate these mixtures only, and sum no costs.

    Raises:
        FileNotFoundError, ValueError: a missing or foreign model or data folder; mixtures that cannot be read, named
            after all others are separated.
    """
    model = network_path(model)
    model = model / "model.pt" if model.is_dir() else model
    network = load_network(model, ann)
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    keep_synapses(network)
    utterances = read_data_dir(data_dir, allow_pipes, with_references=False)
    utterances = part.of(utterances) if part else utterances
    problems: dict[str, str] = {}
    if not part:  # else another part may be writing there
        for stale in out.glob("s*/.*.tmp.wav"):  # of a run that was killed
            stale.unlink(missing_ok=True)
    settings = {"model": _digest(model)} | ({"ann": True} if ann else {})  # a packed file holds two networks
    with journal(out / DONE, settings, part) as done:
        due = [utterance for utterance in utterances if not _is_done(done, utterance, out, bool(cost_file))]
        if len(due) < len(utterances):
            logger.info("%d of %d mixtures are separated already", len(utterances) - len(due), len(utterances))
        with Progress(len(due), f"{data_dir.name} {model.parent.name}", "mixture") as progress, torch.no_grad():
            for utterance in due:
                found = _print(utterance)
                try:
                    mixture, _ = read_source(utterance.mixture, network.config.sample_rate)
                    est_sources, facts = _separated(network, mixture, bool(cost_file))
                except (OSError, ValueError, MemoryError) as error:
                    problems[utterance.id] = str(error) or "out of memory"
                else:
                    sizes = _write(out, utterance, est_sources, network.config.sample_rate)
                    done.add(utterance.id, {"mixture": found, "bytes": sizes, **facts})
                progress.update()
    if problems:
        raise ValueError(
            f"{len(problems)} of {len(utterances)} mixtures not separated, the first {next(iter(problems))}: "
            f"{next(iter(problems.values()))}; mend them and run this again, the others are kept"
        )
    done.forget_parts()
    if cost_file and not part:
        _write_cost(cost_file, network, data_dir.name, [done.entries[utterance.id] for utterance in utterances])


def _separated(network: TasNet, mixture: np.ndarray, costs_too: bool) -> tuple[np.ndarray, dict[str, Any]]:
    """Separate one mixture (time,): the sources (n_src, time), and what the journal keeps of it.

    Raises:
        MemoryError: the mixture is too long for this machine.
    """
    device, time = next(network.parameters()).device, len(mixture)
    whole = np.pad(mixture, (0, max(0, network.config.kernel_size - time)))  # one encoder filter at least
    with record_cost(network) if costs_too else nullcontext({}) as costs:
        try:
            est_sources = network(torch.from_numpy(whole)[None].to(device))[0, :, :time].cpu().numpy()
        except RuntimeError as error:  # torch has no error of its own for the CPU's memory
            if "memory" not in str(error):
                raise
            seconds = time / network.config.sample_rate
            raise MemoryError(f"out of memory on {seconds:.0f} s of audio; cut it into shorter mixtures") from None
    facts: dict[str, Any] = {"samples": time}
    return est_sources, facts | ({"costs": {name: asdict(cost) for name, cost in costs.items()}} if costs_too else {})


def _write(out: Path, utterance: Utterance, est_sources: np.ndarray, sample_rate: int) -> list[int]:
    """Write the sources (n_src, time) of a mixture; return the sizes of the files in bytes."""
    paths = [_output(out, place, utterance) for place in range(1, len(est_sources) + 1)]
    for path, source in zip(paths, est_sources, strict=True):
        write_audio(path, source, sample_rate, subtype="FLOAT")
    return [path.stat().st_size for path in paths]


def _is_done(done: Journal, utterance: Utterance, out: Path, costs_too: bool) -> bool:
    """Whether an earlier run finished a mixture as it is now."""
    entry = done.entries.get(utterance.id)
    if entry is None or entry["mixture"] != _print(utterance) or (costs_too and "costs" not in entry):
        return False
    sizes = [fingerprint(_output(out, place, utterance)) for place in range(1, len(entry["bytes"]) + 1)]
    return [found[1] if found else None for found in sizes] == entry["bytes"]


def _write_cost(path: Path, network: TasNet, subset: str, entries: list[dict[str, Any]]) -> None:
    """Sum the costs of all mixtures and write them per second of audio."""
    total: dict[str, LayerCost] = {}
    for entry in entries:
        for name, cost in entry["costs"].items():
            mine = total.setdefault(name, LayerCost(cost["role"]))
            for key, value in cost.items():
                if key == "driven":
                    mine.driven = mine.driven or value
                elif key != "role":
                    setattr(mine, key, getattr(mine, key) + value)
    seconds = sum(entry["samples"] for entry in entries) / network.config.sample_rate
    steps = max((layer.num_steps for layer in convertible_layers(network).values()), default=0)
    cost = cost_per_second(total, seconds, subset=subset, n_mixtures=len(entries), num_steps=steps)
    write_json(path, asdict(cost))


def _output(out: Path, place: int, utterance: Utterance) -> Path:
    return out / f"s{place}" / f"{utterance.id}.wav"


def _print(utterance: Utterance) -> Any:
    """Identify the state of a mixture's audio."""
    return str(utterance.mixture) if isinstance(utterance.mixture, Pipe) else fingerprint(utterance.mixture)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

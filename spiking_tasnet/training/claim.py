"""The folder of a training is held by one process at a time and belongs to one set of settings."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from spiking_tasnet.config import flattened, read_config, save_config
from spiking_tasnet.files import read_json, remove_leftovers, write_json
from spiking_tasnet.lock import held
from spiking_tasnet.parameters import SPEED_ONLY, differing
from spiking_tasnet.training.checkpoint import previous_checkpoint

Config = TypeVar("Config")
LEFT = ("model.pt", "last.ckpt", previous_checkpoint(Path("last.ckpt")).name)


@contextmanager
def claimed(
    out: Path,
    config: Config,
    deciding: Callable[[Config], dict[str, Any]],
    origin: dict[str, str],
    *,
    first: bool = True,
) -> Iterator[None]:
    """Hold the folder of a training: refuse the files of another training, continue those of the same one.

    Args:
        out: the folder; gets config.yaml and origin.json, written before training.
        config: of the training.
        deciding: the part of a configuration that decides the result of this training, as nested dictionaries.
        origin: fingerprints of what the training starts from besides: of the data, of an ANN.
        first: whether this is the first process of the training; the others leave the folder to it.

    Raises:
        ValueError: another process trains there, or the files there came from other settings or other data.
        OSError: the folder cannot be written.
    """
    if not first:
        yield
        return
    with held(out, "wait for it, or give another --exp", who="training"):
        remove_leftovers(out)
        if any((out / name).exists() for name in LEFT):
            _compare(out, config, deciding, origin)
        save_config(config, out / "config.yaml")
        write_json(out / "origin.json", origin)
        yield


def _compare(out: Path, config: Config, deciding: Callable[[Config], dict[str, Any]], origin: dict[str, str]) -> None:
    """Refuse other settings than those of what lies in `out`."""
    advice = f"give another --exp, or remove {out} to train anew (run.sh: --force)"
    path = out / "config.yaml"
    if not path.is_file():
        if (out / "model.pt").exists() and not (out / "last.ckpt").exists():
            return  # a model from elsewhere: nothing goes on from it
        raise ValueError(f"{out}: a training without its config.yaml found, so its settings are unknown; {advice}")
    try:
        there = deciding(read_config(type(config), path))
    except ValueError as error:
        raise ValueError(f"{error}; {advice}") from None
    differs = _differences(flattened(there), flattened(deciding(config)))
    before = read_json(out / "origin.json") if (out / "origin.json").is_file() else {}
    names = [name for name, value in origin.items() if isinstance(before, dict) and before.get(name, value) != value]
    differs += [f"another {name}" for name in names]
    if differs:
        raise ValueError(f"{out}: trained with other settings ({'; '.join(differs)}); {advice}")


def _differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    return [
        f"{key} {old!r} there, {new!r} here"
        for key, old, new in sorted(differing(there, here), key=lambda difference: difference.key)
        if not _goes_on(key, there, here)
    ]


def _goes_on(key: str, there: dict[str, Any], here: dict[str, Any]) -> bool:
    """Whether a setting may change in a training that goes on: more epochs, unless the learning rate counts on them.

    With the schedule ``hold`` the user decides when the learning rate begins to fall.
    """
    section, _, name = key.rpartition(".")
    if name in ("max_epochs", "tail_epochs") and here.get(f"{section}.schedule") == "hold":
        return True
    if name != "max_epochs" or here.get(f"{section}.schedule") == "cosine":
        return False
    return there.get(key, 0) < here.get(key, 0)


def outcome_settings(config: Any) -> dict[str, Any]:
    """A configuration as nested dictionaries, without what only decides how fast a training is."""
    settings = dataclasses.asdict(config)
    return {
        section: {key: value for key, value in values.items() if f"{section}.{key}" not in SPEED_ONLY}
        if isinstance(values, dict)
        else values
        for section, values in settings.items()
    }


def fingerprint(*parts: str | nn.Module) -> str:
    """A digest of text, or of all tensors of a network."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode())
            continue
        for name, values in part.state_dict().items():
            digest.update(name.encode())
            if isinstance(values, Tensor):
                digest.update(values.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]

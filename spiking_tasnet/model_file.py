"""A trained network in one file: its own sizes, from which it is rebuilt, and plain tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from spiking_tasnet.files import whole_file, write_error

Network = TypeVar("Network", bound=nn.Module)


def write_model(path: str | Path, format_: str, model: dict[str, Any], network: nn.Module, **extra: Any) -> None:
    """Write a network, whole or not at all.

    Args:
        path: the file.
        format_: says what kind of network it is.
        model: plain numbers and text that the network is rebuilt from.
        network: its tensors.
        **extra: plain numbers and text.

    Raises:
        OSError: it cannot be written.
    """
    contents = {"format": format_, "model": model, "state_dict": network.state_dict(), "extra": extra}
    with whole_file(path) as temporary:
        try:
            torch.save(contents, temporary)
        except RuntimeError as error:  # torch's own writer does not raise OSError
            raise write_error(path, error) from None


def read_model(path: str | Path, format_: str, rebuild: Callable[[dict[str, Any]], Network], hint: str) -> Network:
    """Read what `write_model` wrote, in eval mode, as plain tensors and numbers.

    Args:
        path: the file.
        format_: the kind of network expected.
        rebuild: makes the network from `model`.
        hint: how to get such a file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a model of ours, or one whose weights do not fit its own sizes.
    """
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such model; {hint}") from None
    except OSError:
        raise
    except Exception as error:  # a damaged file can raise almost anything in the unpickler
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{path}: not a model file ({reason}); give a model.pt that this toolkit wrote") from None
    if not isinstance(contents, dict) or contents.get("format") != format_:
        raise ValueError(f"{path}: a checkpoint of another program found, a model.pt of this toolkit expected")
    network = rebuild(contents["model"])
    try:
        network.load_state_dict(contents["state_dict"])
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise ValueError(f"{path}: a checkpoint of another network found ({reason}); name another --model") from None
    return network.eval()

"""A trained network in one file: its own sizes, from which it is rebuilt, and plain tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from spiking_tasnet.files import whole_file, write_error
from spiking_tasnet.plain_file import out_of_memory, read_plain

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
    with whole_file(path, durable=True) as temporary:
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
        ValueError: not a model of ours, a damaged one, one whose weights do not fit its own sizes, or are not finite.
    """
    return network_of(path, read_contents(path, (format_,), hint), rebuild, hint)


def read_contents(path: str | Path, formats: tuple[str, ...], hint: str) -> dict[str, Any]:
    """Read the contents of a model file whose format is one of `formats`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a model of ours, or a damaged one.
    """
    try:
        contents = read_plain(path, "a model file", f"copy or fetch it again, or {hint}")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such model; {hint}") from None
    if not isinstance(contents, dict) or contents.get("format") not in formats:
        raise ValueError(f"{path}: a checkpoint of another program found, a model.pt of this toolkit expected")
    return contents


def network_of(
    path: str | Path, contents: dict[str, Any], rebuild: Callable[[dict[str, Any]], Network], hint: str
) -> Network:
    """The network that the contents of a model file describe, in eval mode.

    Raises:
        ValueError: sizes or weights are missing, do not fit each other, or are not finite.
    """
    sizes, state = contents.get("model"), contents.get("state_dict")
    if not isinstance(sizes, dict) or not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        raise ValueError(f"{path}: a model without its sizes or its weights found, both expected; {hint}")
    _check_tensors(path, state)
    network = _rebuilt(path, sizes, state, rebuild)
    try:
        network.load_state_dict(state)
    except Exception as error:
        reason = str(error).splitlines()[-1].strip() if isinstance(error, RuntimeError) else "a layer's settings differ"
        raise ValueError(f"{path}: a checkpoint of another network found ({reason}); name another --model") from None
    return network.eval()


def _check_tensors(path: str | Path, state: dict[str, Any]) -> None:
    """Refuse weights that are no numbers: the network would give silence or noise without a word."""
    for name, values in state.items():
        if isinstance(values, Tensor) and not bool(torch.isfinite(values).all()):
            raise ValueError(
                f"{path}: {name} holds NaN or infinite values, finite ones expected; the training diverged or the file "
                "was changed: train again, or name another --model"
            )


def _rebuilt(
    path: str | Path, sizes: dict[str, Any], state: dict[str, Any], rebuild: Callable[[dict[str, Any]], Network]
) -> Network:
    """The network of these sizes; its memory is taken only if the file has as many weights."""
    try:
        with torch.device("meta"):
            expected = sum(values.numel() for values in rebuild(sizes).parameters())
        found = sum(values.untyped_storage().nbytes() // values.element_size() for values in _tensors(state))
        network = rebuild(sizes) if expected <= found else None
    except Exception as error:
        if out_of_memory(error):
            raise
        told = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        told = " ".join(told.split())
        raise ValueError(f"{path}: its sizes make no network ({told}); name another --model") from None
    if network is None:
        raise ValueError(
            f"{path}: a checkpoint of another network found (its sizes are those of {expected:,} weights, and it holds "
            f"{found:,}); name another --model"
        )
    return network


def _tensors(state: dict[str, Any]) -> list[Tensor]:
    return [values for values in state.values() if isinstance(values, Tensor)]

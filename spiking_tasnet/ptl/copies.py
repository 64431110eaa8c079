"""A copy of a LightningModule to measure on, so that the module itself is as it was afterwards.

A `training_step` counts, appends to lists and updates metrics; a copy takes all that with it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
from torch import nn
from torch.utils.data import DataLoader, Dataset

SHARED = (Dataset, DataLoader, pl.LightningDataModule, pl.Trainer)  # may be large, and are only read


def isolated_copy(module: pl.LightningModule) -> pl.LightningModule:
    """Copy a module: its parameters, buffers, metrics and attributes. Data sets and the trainer are shared.

    An attribute that cannot be copied (an open file, a lock) is shared as well. What the copy logs goes nowhere.

    Raises:
        ValueError: a module that cannot be copied.
    """
    shared = {id(value): value for value in _attributes(module) if isinstance(value, SHARED)}
    try:
        copied = copy.deepcopy(module, dict(shared))  # a failure leaves halves in what it is given
    except Exception:
        shared |= {id(value): value for value in _attributes(module) if not _can_be_copied(value, shared)}
        try:
            copied = copy.deepcopy(module, dict(shared))
        except Exception as error:
            message = str(error).strip().splitlines()
            raise ValueError(
                f"the module cannot be copied ({message[0] if message else type(error).__name__}), and thresholds are "
                "measured on a copy: give the part that refuses a __deepcopy__"
            ) from error
    copied.trainer = module.trainer
    copied.__dict__.update(log=_nowhere, log_dict=_nowhere)
    return copied


def _nowhere(*_: Any, **__: Any) -> None:
    """Take the place of `log`."""


def _attributes(module: nn.Module) -> Iterator[Any]:
    """What the modules hold beside parameters, buffers and modules, and what lies in their lists and dictionaries."""
    for part in module.modules():
        for name, value in vars(part).items():
            if name in ("_parameters", "_buffers", "_modules", "_trainer"):
                continue
            yield value
            if isinstance(value, list | tuple):
                yield from value
            elif isinstance(value, dict):
                yield from value.values()


def _can_be_copied(value: Any, shared: dict[int, Any]) -> bool:
    if isinstance(value, nn.Module):
        return True
    try:
        copy.deepcopy(value, dict(shared))
    except Exception:
        return False
    return True

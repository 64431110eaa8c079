"""What a layer computes from its weights, kept while the network is only used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Kept:
    """Values by name, as long as the amplitude of the incoming spikes is the same."""

    def __init__(self) -> None:
        self._amplitude: Tensor | None = None
        self._values: dict[str, object] = {}

    def get(self, name: str, input_amplitude: Tensor | None, make: Callable[[], T]) -> T:
        """The value called `name`, made once for this `input_amplitude`, (1,) or (in,); None without spikes."""
        if not _same(self._amplitude, input_amplitude):
            self._values = {}
            self._amplitude = None if input_amplitude is None else input_amplitude.clone()
        if name not in self._values:
            self._values[name] = make()
        return self._values[name]  # pyright: ignore[reportReturnType]  # one name holds one type


def _same(before: Tensor | None, now: Tensor | None) -> bool:
    if before is None or now is None:
        return before is now
    return torch.equal(before, now)

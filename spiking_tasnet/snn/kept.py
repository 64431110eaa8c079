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
        # Replaced as one, so that threads which run the same network never see the values of another amplitude.
        self._state: tuple[Tensor | None, dict[str, object]] = None, {}

    def get(self, name: str, input_amplitude: Tensor | None, make: Callable[[], T]) -> T:
        """The value called `name`, made once for this `input_amplitude`, (1,) or (in,); None without spikes."""
        amplitude, values = self._state
        if not _same(amplitude, input_amplitude):
            values = {}
            self._state = None if input_amplitude is None else input_amplitude.clone(), values
        if name not in values:
            values[name] = make()
        return values[name]  # pyright: ignore[reportReturnType]  # one name holds one type


def _same(before: Tensor | None, now: Tensor | None) -> bool:
    if before is None or now is None:
        return before is now
    return torch.equal(before, now)

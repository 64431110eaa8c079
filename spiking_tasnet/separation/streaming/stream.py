"""All stages in a row: blocks of a recording go in, and as many samples of each talker come out."""

from __future__ import annotations

from typing import Any

import numpy as np

from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.separation.streaming.compiled import CompiledNetwork
from spiking_tasnet.separation.streaming.fifo import Fifo, joined
from spiking_tasnet.separation.streaming.gains import GainControl
from spiking_tasnet.separation.streaming.level import LevelControl
from spiking_tasnet.separation.streaming.linking import Link, Linker
from spiking_tasnet.separation.streaming.resampling import Resampler
from spiking_tasnet.separation.streaming.rumble import RumbleFilter
from spiking_tasnet.separation.streaming.windows import Windows
from spiking_tasnet.snn.energy import LayerCost

MOST_SECONDS = 1.0  # taken in at once, so that a long block needs no more memory than a short one


class SeparationStream:
    """Separates one recording that comes in blocks of any size; the result does not depend on the sizes.

    Up to a minute is held back: a window, half a minute over which levels are fitted, and a piece whose voices are
    compared. Memory does not grow with the recording.

    The sources are at the level of the mixture, so that their sum is near it. Nothing is clipped or scaled to a peak:
    samples may exceed 1 where those of the mixture are near it.

    Args:
        network: in eval mode.
        rate: sample rate of what comes and goes, Hz.
        segment: samples at the network's own rate that one run of it gives.
        count_cost: see `Windows`.
        model: contents of an .stn file, which then runs in C in place of `network`.
    """

    def __init__(self, network: TasNet, rate: int, segment: int, count_cost: bool = False, model: bytes | None = None):
        own_rate, self.n_src = network.config.sample_rate, network.config.n_src
        self.rate, self._most = rate, max(1, int(MOST_SECONDS * rate))
        self._down, self._up = Resampler(rate, own_rate, 1), Resampler(own_rate, rate, self.n_src)
        # Every stage after it is given blocks of one second, so that its sums do not depend on the caller's blocks.
        self._seconds, self._second = Fifo(1), own_rate
        self._windows = Windows(network, segment, count_cost) if model is None else CompiledNetwork(model)
        self._linker = Linker(own_rate, self.n_src)
        self._stages = [
            RumbleFilter(own_rate),
            LevelControl(own_rate),
            self._windows,
            GainControl(own_rate, self.n_src),
            self._linker,
        ]
        self._taken, self._given, self._finished = 0, 0, False

    @property
    def links(self) -> list[Link]:
        """Where talkers were joined across a pause, as far as samples were given out."""
        return self._linker.links

    @property
    def costs(self) -> tuple[dict[str, LayerCost], float]:
        """Operations by layer, and of how many seconds of audio they are; none unless they were to be counted."""
        return self._windows.costs, self._windows.counted_samples / self._second

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take the next samples and give those that are ready.

        Args:
            samples: of the mixture, (n_samples,), full scale 1.

        Returns:
            (n_src, n_ready), float32; `n_ready` is often 0.

        Raises:
            ValueError: not one channel, not finite, integers, or after `finish`.
        """
        samples = check_samples(samples)
        if self._finished:
            raise ValueError("a block found after finish(), none expected; begin another stream")
        self._taken += len(samples)
        ready = []
        for start in range(0, len(samples), self._most):
            block = samples[None, start : start + self._most].astype(np.float32)
            self._seconds.push(self._down.push(block))
            ready += [self._up.push(self._through(second)) for second in self._seconds.blocks(self._second)]
        return self._count(joined(ready, self.n_src))

    def finish(self) -> np.ndarray:
        """Give the rest, so that there are as many samples of each source as of the mixture.

        Returns:
            (n_src, n_rest), float32.
        """
        if self._finished:
            return joined([], self.n_src)
        self._finished = True
        self._seconds.push(self._down.finish())
        ready = [self._through(block) for block in self._seconds.blocks(self._second, last=True)]
        for place, stage in enumerate(self._stages):
            ready.append(self._through(stage.finish(), place + 1))
        ready = [self._up.push(rows) for rows in ready if rows.shape[1]]
        if self.rate != self._second:  # silence behind it, as rounding may have cost a sample
            ready.append(self._up.push(np.zeros((self.n_src, 1), np.float32)))
        rest, missing = joined([*ready, self._up.finish()], self.n_src), self._taken - self._given
        return self._count(np.pad(rest, ((0, 0), (0, max(0, missing - rest.shape[1]))))[:, :missing])

    def _through(self, rows: np.ndarray, place: int = 0) -> np.ndarray:
        """Through the stages from `place` on."""
        for stage in self._stages[place:]:
            rows = stage.push(rows)
        return rows

    def _count(self, rows: np.ndarray) -> np.ndarray:
        self._given += rows.shape[1]
        return rows


def check_samples(samples: Any) -> np.ndarray:
    """One channel of finite floats.

    Raises:
        ValueError: what was found, and what to give instead.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise ValueError(
            f"samples of shape {samples.shape} found, one channel (n_samples,) expected; pick one, or average them"
        )
    if not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(f"{samples.dtype} samples found, floats of full scale 1 expected; divide 16 bits by 32768")
    if not np.isfinite(samples).all():
        raise ValueError("NaN or infinite samples found, finite ones expected")
    return samples

"""Separation while it is spoken: nothing is held back but the network's look-ahead and one block.

A recording is separated better by `SeparationStream`, which waits half a minute to fit levels and to tell talkers
across a pause. Here levels follow what was heard.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, sosfilt, sosfilt_zi

from spiking_tasnet.runtime.backend import CSeparator
from spiking_tasnet.separation.streaming.compiled import CompiledNetwork
from spiking_tasnet.separation.streaming.fifo import Fifo, joined
from spiking_tasnet.separation.streaming.gains import solve_gains
from spiking_tasnet.separation.streaming.level import SILENCE_RMS, TARGET_RMS
from spiking_tasnet.separation.streaming.resampling import Resampler
from spiking_tasnet.separation.streaming.rumble import CUTOFF

BLOCK_SECONDS = 0.01
LEVEL_SECONDS = 4.0  # in which the level that is kept of a loud moment falls to 1 / e
GAIN_SECONDS = 8.0  # in which what was heard counts 1 / e for the gains


class LiveStream:
    """Separates one recording that comes in blocks of any sizes, on which the result does not depend.

    Samples of the sources may exceed 1 where those of the mixture are near it.

    Args:
        model: contents of an .stn file.
        rate: sample rate of what comes and goes, Hz.

    Attributes:
        n_src: number of talkers.
        taken: samples that came; `given`: samples of each talker that went.
    """

    def __init__(self, model: bytes, rate: int):
        self._network = CompiledNetwork(model)
        separator = self.separator
        self.rate, self.n_src = rate, separator.n_src
        self.taken, self.given, self._finished = 0, 0, False
        own_rate = separator.sample_rate
        self._down, self._up = Resampler(rate, own_rate, 1), Resampler(own_rate, rate, self.n_src)
        self._fifo, self._block = Fifo(1), max(1, round(BLOCK_SECONDS * own_rate))
        self._high_pass, self._state = butter(2, CUTOFF, "highpass", fs=own_rate, output="sos"), None
        self._power, self._gain = 0.0, 0.0
        self._rows = Fifo(2 + self.n_src)
        self._gram, self._cross = np.zeros((self.n_src, self.n_src)), np.zeros(self.n_src)
        self._gains = np.zeros(self.n_src)

    @property
    def separator(self) -> CSeparator:
        """The network in C."""
        return self._network.separator

    @property
    def latency(self) -> float:
        """Seconds from a sample to its talkers: the network's, and two blocks; resampling adds its filter."""
        return self.network_latency + (2 * self._block - 2) / self.separator.sample_rate

    @property
    def network_latency(self) -> float:
        """The part of it that is the network's: its look-ahead and one encoder filter (the algorithmic latency)."""
        return self.separator.latency / self.separator.sample_rate

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take samples (n_samples,) and give those that are ready, (n_src, n_ready), float32."""
        self.taken += len(samples)
        self._fifo.push(self._down.push(np.asarray(samples, np.float32)[None]))
        ready = [self._levelled(block) for block in self._fifo.blocks(self._block)]
        return self._out([self._up.push(joined(ready, self.n_src))])

    def finish(self) -> np.ndarray:
        """Give the rest, so that there are as many samples of each source as of the mixture."""
        if self._finished:
            return joined([], self.n_src)
        self._finished = True
        self._fifo.push(self._down.finish())
        ready = [self._levelled(block) for block in self._fifo.blocks(self._block, last=True)]
        self._rows.push(self._network.finish())
        ready += [self._fitted(rows) for rows in self._rows.blocks(self._block, last=True)]
        if self.rate != self.separator.sample_rate:  # silence behind it, as rounding may have cost a sample
            ready.append(np.zeros((self.n_src, 1), np.float32))
        missing = self.taken - self.given
        rest = joined([self._up.push(joined(ready, self.n_src)), self._up.finish()], self.n_src)
        return self._out([np.pad(rest, ((0, 0), (0, max(0, missing - rest.shape[1]))))[:, :missing]])

    def _out(self, pieces: list[np.ndarray]) -> np.ndarray:
        rows = joined(pieces, self.n_src)[:, : self.taken - self.given]
        self.given += rows.shape[1]
        return rows

    def _levelled(self, block: np.ndarray) -> np.ndarray:
        """Bring a block (1, n_samples) near the level of the training mixtures, and separate it."""
        if self._state is None:
            self._state = sosfilt_zi(self._high_pass) * block[0, 0]
        samples, self._state = sosfilt(self._high_pass, block[0], zi=self._state)
        power, share = float(np.mean(np.square(samples))), block.shape[1] / self.separator.sample_rate / LEVEL_SECONDS
        self._power = max(power, self._power * float(np.exp(-share)))
        gain = TARGET_RMS / max(SILENCE_RMS, self._power**0.5)
        gains = np.geomspace(self._gain or gain, gain, len(samples), endpoint=False)
        self._gain = gain
        self._rows.push(self._network.push(np.stack([samples * gains, gains]).astype(np.float32)))
        return joined([self._fitted(rows) for rows in self._rows.blocks(self._block)], self.n_src)

    def _fitted(self, rows: np.ndarray) -> np.ndarray:
        """Bring the sources of a block (2 + n_src, n_samples) to their level in the mixture, as far as it was heard."""
        mixture, sources = rows[0].astype(np.float64), rows[2:].astype(np.float64)
        kept = float(np.exp(-rows.shape[1] / self.separator.sample_rate / GAIN_SECONDS))
        self._gram = kept * self._gram + sources @ sources.T
        self._cross = kept * self._cross + sources @ mixture
        gains = solve_gains(self._gram, self._cross)
        ramps = np.linspace(self._gains, gains, rows.shape[1], endpoint=False, axis=1)
        self._gains = gains
        return (sources * ramps / rows[1]).astype(np.float32)

"""Bring a recording to the level of the training mixtures."""

from __future__ import annotations

import numpy as np

from spiking_tasnet.separation.streaming.fifo import Fifo, joined

TARGET_RMS = 0.12  # of full scale: two talkers mixed to a peak of 0.9, where both speak
REACH = 4  # seconds on either side whose loudest sets the gain, so that a pause in speech does not raise it
SILENCE_RMS = 1e-8  # -160 dB; quieter is amplified no further


class LevelControl:
    """Gives each sample the gain that brings the loudest second around it to `TARGET_RMS`.

    The network's normalisation makes it blind to the level, except that of frames near its epsilon (1e-8), where a
    recording of -60 dB lies. The gain depends on the recording alone, never on where it is cut into windows, and moves
    slowly: by a straight line in dB within each second.

    Args:
        sample_rate: Hz.
    """

    def __init__(self, sample_rate: int):
        self.sample_rate = sample_rate
        self._fifo, self._waiting = Fifo(1), []  # seconds whose surroundings are not known yet
        self._levels: list[float] = []  # of up to REACH seconds before `_waiting[0]`, and of all that wait
        self._before = 0  # how many of `_levels` lie before `_waiting[0]`

    def push(self, rows: np.ndarray) -> np.ndarray:
        """(1, n_samples) -> (2, as many as are ready): at the training level; the gain that brought it there."""
        self._fifo.push(rows)
        return self._levelled(self._fifo.blocks(self.sample_rate), REACH)

    def finish(self) -> np.ndarray:
        """The rest, (2, n_samples)."""
        return self._levelled(self._fifo.blocks(self.sample_rate, last=True), 0)

    def _levelled(self, seconds, look_ahead: int) -> np.ndarray:
        ready = []
        for second in seconds:
            self._waiting.append(second)
            self._levels.append(float(np.sqrt(np.mean(np.square(second, dtype=np.float64)))))
            if look_ahead and len(self._waiting) > look_ahead:
                ready.append(self._first())
        while not look_ahead and self._waiting:
            ready.append(self._first())
        return joined(ready, 2)

    def _first(self) -> np.ndarray:
        """Take the second that waits longest: its level at either end is that of the loudest second around."""
        second, here = self._waiting.pop(0), self._before
        begin = max([SILENCE_RMS, *self._levels[max(0, here - REACH) : here + REACH]])
        end = max([SILENCE_RMS, *self._levels[max(0, here - REACH + 1) : here + REACH + 1]])
        if self._before == REACH:
            self._levels.pop(0)
        else:
            self._before += 1
        gain = TARGET_RMS / np.geomspace(begin, end, second.shape[1], endpoint=False)
        return np.stack([second[0] * gain, gain]).astype(np.float32)

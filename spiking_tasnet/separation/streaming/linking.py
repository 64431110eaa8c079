"""Keep each talker on the same row across pauses that are longer than the network's memory."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from spiking_tasnet.separation.streaming.fifo import Fifo, joined
from spiking_tasnet.separation.streaming.voice import Voice, likeness, voices

FRAME_SECONDS = 0.05
PAUSE_SECONDS = 1.0  # nobody speaks for as long: the order of the sources may be another one afterwards
PAUSE_DB = -20.0  # a frame is quiet below this, against the level of the speech so far
FORGET_DB = 0.2  # per second, by which the level of the speech so far falls
LEAD_SECONDS = 0.25  # of a pause that belongs to what follows
PIECE_SECONDS = 20  # heard, at most, before the voices are compared
FEWEST_FRAMES = 50  # of 10 ms, of each voice: fewer say nothing
FEWEST_LOUD = 10  # of 50 ms, of the mixture
SWAP_MARGIN = 0.1  # by which the voices must favour another order than the network's own
UNCERTAIN_MARGIN = 0.4  # with true sources one link in five was wrong below it, none of 180 above it (benchmarks)


@dataclass(frozen=True)
class Link:
    """Where the talkers after a pause were joined to those before it.

    Attributes:
        time_s: where the second side begins, a quarter of a second before its speech, seconds.
        kind: ``pause``.
        margin: by how much the chosen order fits better than the next, 0 to 1; negative if the network's own order was
            kept against a slight advantage of another.
        uncertain: whether the voices hardly differ.
        swapped: whether the order differs from the network's.
    """

    time_s: float
    kind: str
    margin: float
    uncertain: bool
    swapped: bool

    def as_dict(self) -> dict[str, Any]:
        """For a report."""
        return asdict(self)


class Linker:
    """Cuts the recording in its common pauses and orders the sources of each stretch by voice.

    Within a stretch the network itself keeps its order: each output sample depends on the receptive field around it,
    which overlaps with the next one's. Across a longer pause, only the voices link the two sides.

    Args:
        sample_rate: Hz.
        n_src: number of talkers.

    Attributes:
        links: one per pause between two stretches of speech.
    """

    def __init__(self, sample_rate: int, n_src: int):
        self.sample_rate, self.n_src = sample_rate, n_src
        self.links: list[Link] = []
        self._frame = max(1, round(FRAME_SECONDS * sample_rate))
        self._pause, self._lead = (round(seconds / FRAME_SECONDS) for seconds in (PAUSE_SECONDS, LEAD_SECONDS))
        self._arriving, self._piece = Fifo(2 + n_src), Fifo(2 + n_src)
        self._power, self._speech_level = 0.0, 0.0  # mean square of half a second; RMS of the speech so far
        self._quiet, self._loud, self._position = 0, 0, 0  # frames on end; frames of the piece; samples that left
        self._order, self._begins_stretch = tuple(range(n_src)), True
        self._begun, self._known = False, None  # whether anybody spoke before; the voices so far, a list

    def push(self, rows: np.ndarray) -> np.ndarray:
        """(2 + n_src, n_samples) -> (n_src, as many as are ready): ordered, at the level of the recording."""
        self._arriving.push(rows)
        ready = []
        for frame in self._arriving.blocks(self._frame):
            ready += self._add(frame)
        return joined(ready, self.n_src)

    def finish(self) -> np.ndarray:
        """The rest, (n_src, n_samples)."""
        self._piece.push(self._arriving.take(self._frame))
        return joined([self._leave(len(self._piece))], self.n_src)

    def _add(self, frame: np.ndarray) -> list[np.ndarray]:
        """Take in one frame; give what leaves: up to a pause that ends here, or a piece that grew long."""
        left = []
        if self._is_quiet(frame):
            self._quiet += 1
        else:
            if self._quiet >= self._pause:
                left.append(self._leave(len(self._piece) - min(self._lead, self._quiet) * self._frame))
                self._begins_stretch = True
            self._quiet = 0
            self._loud += 1
        self._piece.push(frame)
        if len(self._piece) >= PIECE_SECONDS * self.sample_rate:
            left.append(self._leave(len(self._piece)))
        return left

    def _is_quiet(self, frame: np.ndarray) -> bool:
        """Whether nobody speaks, judged by the recording's own level; a click is not taken for speech."""
        power = float(np.mean(np.square(frame[0] / frame[1], dtype=np.float64)))
        self._power += 0.1 * (power - self._power)
        forgotten = self._speech_level * 10 ** (-FORGET_DB * FRAME_SECONDS / 20)
        self._speech_level = max(forgotten, self._power**0.5)
        return power**0.5 <= self._speech_level * 10 ** (PAUSE_DB / 20)

    def _leave(self, n_samples: int) -> np.ndarray:
        """Take `n_samples` of the piece, ordered."""
        if n_samples <= 0:
            return joined([], self.n_src)
        rows = self._piece.take(n_samples)
        mixture, gain, sources = rows[0], rows[1], rows[2:]
        heard = voices(sources, self.sample_rate)
        speaks = self._loud >= FEWEST_LOUD and all(voice.frames >= FEWEST_FRAMES for voice in heard)
        if self._begins_stretch and self._loud:
            self._order = self._choose(heard, speaks)
            self._begins_stretch = False
        if speaks:
            ordered = [heard[place] for place in self._order]
            self._known = ordered if self._known is None else list(map(Voice.__add__, self._known, ordered))
        self._position, self._loud = self._position + len(mixture), 0
        return sources[list(self._order)] / gain

    def _choose(self, heard: list[Voice], speaks: bool) -> tuple[int, ...]:
        """The order of the stretch that begins with the voices `heard`: the network's own, but for good reason."""
        own = tuple(range(self.n_src))
        if not self._begun:
            self._begun = True
            return own
        best, margin = own, 0.0
        if speaks and self._known is not None and self.n_src > 1:
            scores = {order: likeness(self._known, heard, order) for order in itertools.permutations(own)}
            best = max(scores, key=lambda order: scores[order])
            if scores[best] - scores[own] < 2 * SWAP_MARGIN:
                best = own
            margin = (scores.pop(best) - max(scores.values())) / 2
        start = round(self._position / self.sample_rate, 3)
        self.links.append(Link(start, "pause", round(margin, 3), margin < UNCERTAIN_MARGIN, best != own))
        return best

"""Choose which channel of a recording to separate: the mean, unless it loses what the strongest channel holds.

A mean of channels is right for a stereo recording with one talker on the left and the other on the right, and wrong
where the channels hold the same sound at another sign (a crossed wire) or time (microphones apart): then it cancels, or
is comb-filtered. Its power alone cannot tell these two apart; both lose 3 dB. So two quantities are measured, on the
differentiated signal (this removes offset and rumble, and makes speech about white) at 8 to 16 kHz:

1. The mean correlation of the channels, from the power of their sum S:
   (P(S) - sum P_c) / ((sum sqrt(P_c))^2 - sum P_c). It is 1 for copies and -1 for a crossed pair, 0 for unrelated
   sounds and for copies far apart in time. From `LITTLE_LOST` on (the mean then has 3/4 of a channel's power or more)
   the mean is taken; below `CANCELLED` the strongest, for only copies cancel like that.
2. Otherwise, whether the strongest channel holds what the others hold, in frames of 64 ms. First, their levels go up
   and down together: the correlation of the frames' amplitudes is above 0.85 for copies at any sign, gain, delay to
   11 ms and in a room of 0.4 s, and mostly below 0.7 for talkers of their own channels at a crosstalk of -12 dB and
   less. Second, nothing is missing: each channel scaled to the same power, the share of a channel's energy in frames
   where the strongest is over 6 dB weaker is below 0.05 for copies, and above 0.13 for talkers. Only if both hold, the
   channels are taken for the same sound and the strongest is used; losing a talker is worse than a comb-filtered mean.

A channel whose loudest second is 30 dB below the strongest's carries no sound: it takes no part in the decision
or in the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LOW_RATE = 8000  # Hz; the measure is taken at this rate or up to twice of it
FRAME_SECONDS = 0.064
FRAMES_A_WINDOW = 16  # about a second
IDLE = 1e-3  # power of the loudest window against the strongest channel's
LITTLE_LOST, CANCELLED = 0.5, -0.9  # mean correlation
TOGETHER = 0.8  # correlation of amplitudes
FEWEST_FRAMES = 8  # that tell anything
MISSING = 10**-0.6  # power ratio
MOST_MISSING = 0.1  # share of energy
KEPT = 1 << 20  # numbers of frame powers in memory; of longer recordings every second, fourth, ... frame is kept
LARGEST_BLOCK = 1 << 18  # numbers of a block to add


@dataclass(frozen=True)
class Choice:
    """What to separate.

    Attributes:
        name: ``mean``, or the number of a channel from 1.
        weights: (n_chan,), float32; the signal is samples @ weights.
        reason: a sentence, or None where nothing had to be decided.
    """

    name: str
    weights: np.ndarray
    reason: str | None = None


class ChannelMeter:
    """Measures the channels of a recording block by block.

    Args:
        n_chan: channels.
        rate: Hz.

    Attributes:
        block: samples that each `add` gets; fewer only at the end.
        low, high: smallest and largest sample of each channel, and, as the last entry, of the mean of all.
    """

    def __init__(self, n_chan: int, rate: int):
        self.n_chan, self.factor = n_chan, max(1, rate // LOW_RATE)
        # Hundreds of channels get shorter frames and windows, so that a block stays small.
        self.frame = max(1, min(round(FRAME_SECONDS * rate / self.factor), LARGEST_BLOCK // (n_chan * self.factor)))
        frame = self.factor * self.frame
        self.window = max(1, min(FRAMES_A_WINDOW, LARGEST_BLOCK // (n_chan * frame)))
        self.block = frame * self.window * max(1, LARGEST_BLOCK // (n_chan * frame * self.window))
        self.low, self.high = np.full(n_chan + 1, np.inf), np.full(n_chan + 1, -np.inf)
        self.power, self.loudest, self.power_of_sum = np.zeros(n_chan), np.zeros(n_chan), 0.0
        self._frames, self._stride, self._n_frames = np.zeros((0, n_chan), np.float32), 1, 0
        self._last: np.ndarray | None = None

    def add(self, samples: np.ndarray) -> None:
        """Add samples (n_samples, n_chan), finite, as `block` says."""
        if not len(samples):
            return
        mean = samples @ mean_weights(self.n_chan)
        for bound, pick in ((self.low, np.minimum), (self.high, np.maximum)):
            # One channel after the other: along the first axis of a narrow array numpy is ten times slower.
            here = [pick.reduce(channel) for channel in samples.T]
            bound[:-1] = pick(bound[:-1], here)
            bound[-1] = pick(bound[-1], pick.reduce(mean))
        if self.n_chan > 1:
            self._add_frames(samples)

    def _add_frames(self, samples: np.ndarray) -> None:
        count = len(samples) // self.factor
        if not count:
            return
        slow = samples[: count * self.factor : self.factor].astype(np.float64)
        for part in range(1, self.factor):
            slow += samples[part : count * self.factor : self.factor]
        slopes = np.diff(slow, axis=0, prepend=slow[:1] if self._last is None else self._last)
        self._last = slow[-1:]
        self.power_of_sum += float(np.square(slopes.sum(axis=1)).sum())
        n_frames = -(-count // self.frame)
        padded = np.concatenate([slopes, np.zeros((n_frames * self.frame - count, self.n_chan))])
        powers = np.square(padded).reshape(n_frames, self.frame, self.n_chan).sum(axis=1)
        self.power += powers.sum(axis=0)
        windows = np.add.reduceat(powers, np.arange(0, n_frames, self.window), axis=0)
        self.loudest = np.maximum(self.loudest, windows.max(axis=0))
        self._keep(powers)

    def _keep(self, powers: np.ndarray) -> None:
        numbers = np.arange(self._n_frames, self._n_frames + len(powers))
        self._n_frames += len(powers)
        new = powers[numbers % self._stride == 0].astype(np.float32)
        self._frames = np.concatenate([self._frames, new])
        while self._frames.size > KEPT and len(self._frames) > 2:
            self._frames, self._stride = self._frames[::2], 2 * self._stride

    @property
    def strongest(self) -> int:
        """The first channel of the greatest power, from 0, rounding aside; of the greatest peak where none has any."""
        strength = self.power if self.power.any() else (self.high - self.low)[:-1]
        return int(np.argmax(strength >= 0.99 * strength.max()))

    @property
    def live(self) -> np.ndarray:
        """Whether each channel carries sound (n_chan,)."""
        return self.loudest >= IDLE * max(self.loudest[self.strongest], np.finfo(float).tiny)

    @property
    def correlation(self) -> float:
        """Mean correlation of the live channels."""
        live = self.power[self.live]
        most = np.sqrt(live).sum() ** 2 - live.sum()
        return float((self.power_of_sum - self.power.sum()) / most) if most > 0 else 1.0

    @property
    def missing(self) -> float:
        """Share of the energy of a live channel that the strongest lacks, of the channel that it lacks most."""
        total = self._frames.sum(axis=0, dtype=np.float64)
        shares = self._frames / np.where(total > 0, total, 1)
        lacks = shares[:, self.strongest, None] < MISSING * shares
        return float((shares * lacks).sum(axis=0)[self.live].max(initial=0.0))

    @property
    def together(self) -> float:
        """Correlation of the amplitudes of a live channel with those of the strongest, of the channel least alike."""
        if len(self._frames) < FEWEST_FRAMES:
            return 0.0
        levels = np.sqrt(self._frames, dtype=np.float64)
        levels -= levels.mean(axis=0)
        norms = np.linalg.norm(levels, axis=0)
        products = levels.T @ levels[:, self.strongest]
        alike = products / np.where(norms > 0, norms * norms[self.strongest], 1)
        return float(alike[self.live & (np.arange(self.n_chan) != self.strongest)].min(initial=1.0))

    @property
    def is_one_sound(self) -> bool:
        """Whether the channels hold the same sound and their mean loses some of it."""
        correlation = self.correlation
        if correlation >= LITTLE_LOST:
            return False
        return correlation < CANCELLED or (self.together > TOGETHER and self.missing < MOST_MISSING)

    def choose(self, channel: str) -> Choice:
        """Choose what to separate.

        Args:
            channel: ``auto``, ``mean``, ``strongest`` or the number of a channel from 1.

        Raises:
            ValueError: no such channel; without the name of the file.
        """
        if channel == "mean" and self.n_chan > 1:
            return Choice("mean", mean_weights(self.n_chan))
        if channel == "strongest":
            return self._one(self.strongest)
        if channel not in ("auto", "mean"):
            number = int(channel) if channel.isdecimal() else 0
            if not 1 <= number <= self.n_chan:
                raise ValueError(
                    f"--channel {channel} asked for, {self.n_chan} found; a number from 1 to {self.n_chan}, mean, "
                    "strongest or auto expected"
                )
            return self._one(number - 1)
        return self._automatic() if self.n_chan > 1 else self._one(0)

    def _automatic(self) -> Choice:
        live, total = self.live, self.n_chan
        if not self.power.any():
            spans = self.high - self.low
            lost = spans[-1] < spans[:-1].max(initial=0.0) / 2
            return self._one(self.strongest) if lost else Choice("mean", mean_weights(total))
        if live.sum() == 1:
            return self._one(self.strongest, f"only channel {self.strongest + 1} of {total} carries sound; it is used")
        if self.is_one_sound:
            return self._one(
                self.strongest,
                f"the {total} channels hold the same sound at another time or sign and their mean would lose some of "
                f"it; channel {self.strongest + 1}, the strongest, is used (--channel mean or a number takes another)",
            )
        if live.all():
            return Choice("mean", mean_weights(total))
        idle = ", ".join(str(number) for number in np.flatnonzero(~live)[:8] + 1)
        more = ", ..." if (~live).sum() > 8 else ""
        weights = (live / live.sum()).astype(np.float32)
        return Choice("mean", weights, f"channels without sound are left out of the mean: {idle}{more} of {total}")

    def _one(self, number: int, reason: str | None = None) -> Choice:
        weights = np.zeros(self.n_chan, np.float32)
        weights[number] = 1
        return Choice(str(number + 1), weights, reason)


def mean_weights(n_chan: int) -> np.ndarray:
    """(n_chan,), float32."""
    return np.full(n_chan, 1 / n_chan, np.float32)

"""Training mixtures made on the fly: talkers, utterances, levels, speed, pauses and noise are drawn for each item.

Every item is a function of seed, epoch and index alone, so an interrupted run continues with the same mixtures,
for any number of loader processes.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from spiking_tasnet.separation.config import MixingConfig
from spiking_tasnet.separation.corpora.mixing import PEAK
from spiking_tasnet.separation.corpora.speech_cache import Clip, SpeechCache

MIN_GAP = 0.3  # s; a shorter rest of a segment is left empty
DRAWS = 100  # at most, to find another talker


class MixedOnTheFly(Dataset):
    """Two (or more) talkers of a cache, mixed anew for every item.

    A talker's signal is an utterance at a random speed; where it is shorter than the segment it starts anywhere, and
    further utterances of the same talker, after pauses, fill what is left. All talkers are brought to one active level,
    then to levels that differ by up to `level_db`.

    Args:
        speech: the talkers.
        config: how to mix.
        n_src: number of talkers in a mixture.
        segment: seconds.
        n_items: items per epoch.
        noise: mixed in with probability `config.noise_probability`; None for none.
        seed: of all random choices.

    Shape:
        item (epoch, index): mixture (time,), sources (n_src, time).

    Raises:
        ValueError: the cache has fewer than `n_src` talkers, does not say which corpus they belong to where
            `config.same_corpus` or `config.corpus` asks, or has no talker of `config.corpus`.
    """

    training = True

    def __init__(
        self,
        speech: SpeechCache,
        config: MixingConfig,
        *,
        n_src: int = 2,
        segment: float = 4.0,
        n_items: int,
        noise: SpeechCache | None = None,
        seed: int = 0,
    ):
        self.speech, self.noise, self.config, self.n_src, self.seed = speech, noise, config, n_src, seed
        self.n_samples, self.n_items = round(segment * speech.sample_rate), n_items
        self.by_talker: dict[str, list[Clip]] = defaultdict(list)
        self.by_corpus: dict[str, list[Clip]] = defaultdict(list)
        for clip in speech.clips:
            self.by_talker[clip.talker].append(clip)
            self.by_corpus[clip.corpus].append(clip)
        if len(self.by_talker) < n_src:
            raise ValueError(f"{speech.folder}: {len(self.by_talker)} talkers found, at least {n_src} expected")
        self.corpora_count = bool(config.same_corpus or config.corpus)
        if self.corpora_count and "" in self.by_corpus:
            raise ValueError(
                f"{speech.folder}: a cache that does not name corpora found, which mixing.same_corpus and "
                "mixing.corpus need; run stage 0 with --force"
            )
        if config.corpus and config.corpus not in self.by_corpus:
            names = ", ".join(map(repr, sorted(self.by_corpus)))
            raise ValueError(f"{speech.folder}: corpora {names} found, mixing.corpus {config.corpus!r} expected")

    def __len__(self) -> int:
        """Items per epoch."""
        return self.n_items

    def contents(self) -> list[str]:
        """A line per utterance of speech and noise: its file's name, talker and length; corpus where it counts."""
        clips = self.speech.clips + (self.noise.clips if self.noise else [])
        lines = [f"{Path(clip.path).name} {clip.talker} {clip.n_samples}" for clip in clips]
        if self.corpora_count:
            lines = [f"{line} {clip.corpus}" for line, clip in zip(lines, clips, strict=True)]
        return [f"{line}\n" for line in lines]

    @property
    def talkers(self) -> set[str]:
        """All talkers."""
        return set(self.by_talker)

    @property
    def hours(self) -> float:
        """Duration of the speech that mixtures are drawn from."""
        return self.speech.hours

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The item `key` = (epoch, index)."""
        random = np.random.default_rng((self.seed, *key))
        sources = np.stack([self._talker(clip, random) for clip in self._first_clips(random)])
        half = self.config.level_db / 2
        gains = random.uniform(-half, half, self.n_src) if self.n_src > 2 else _opposite(random.uniform(-half, half))
        sources *= (10 ** (gains / 20)).astype(np.float32)[:, None]
        mixture = sources.sum(axis=0)
        if self.noise and random.random() < self.config.noise_probability:
            mixture = mixture + self._noise(random)
        scale = PEAK / max(float(np.abs(mixture).max()), float(np.abs(sources).max()), 1e-6)
        return torch.from_numpy(mixture * scale), torch.from_numpy(sources * scale)

    def _first_clips(self, random: np.random.Generator) -> list[Clip]:
        """One utterance of each talker; any utterance of a pool is as likely as another.

        With probability `corpus_share` the first comes from `corpus`, and with probability `same_corpus` all others
        from the corpus of the first, as far as that has enough talkers.
        """
        pool = self.speech.clips
        if self.config.corpus and random.random() < self.config.corpus_share:
            pool = self.by_corpus[self.config.corpus]
        clips = [self._any(pool, random)]
        pool = self.speech.clips
        if self.config.same_corpus and random.random() < self.config.same_corpus:
            pool = self.by_corpus[clips[0].corpus]
        for draw in range(1, DRAWS * self.n_src):
            if len(clips) == self.n_src:
                return clips
            clip = self._any(pool if draw < DRAWS else self.speech.clips, random)
            if clip.talker not in {other.talker for other in clips}:
                clips.append(clip)
        others = sorted(set(self.by_talker) - {clip.talker for clip in clips})  # one talker has nearly everything
        chosen = random.choice(others, self.n_src - len(clips), replace=False)
        return clips + [self.by_talker[str(talker)][0] for talker in chosen]

    @staticmethod
    def _any(clips: list[Clip], random: np.random.Generator) -> Clip:
        return clips[int(random.integers(len(clips)))]

    def _talker(self, clip: Clip, random: np.random.Generator) -> np.ndarray:
        """A segment (time,) of one talker, at active level 1."""
        speed = random.uniform(1 - self.config.slower, 1 + self.config.faster)
        first = self._utterance(clip, speed, random)
        track = np.zeros(self.n_samples, np.float32)
        start = int(random.integers(self.n_samples - len(first) + 1))
        track[start : start + len(first)] = first
        self._fill(track[:start][::-1], clip.talker, speed, random, backwards=True)
        self._fill(track[start + len(first) :], clip.talker, speed, random)
        return track

    def _fill(
        self, rest: np.ndarray, talker: str, speed: float, random: np.random.Generator, backwards: bool = False
    ) -> None:
        """Write another utterance into what is left of a track, after a pause, with probability `fill`."""
        pause = int(random.uniform(0, self.config.pause) * self.speech.sample_rate)
        room = len(rest) - pause
        if room < MIN_GAP * self.speech.sample_rate or random.random() >= self.config.fill:
            return
        clip = self._any(self.by_talker[talker], random)
        n_source = min(clip.n_samples, int(room * speed))
        # The end of an utterance lies before the first one, the beginning of one behind it.
        samples = self._read(clip, clip.n_samples - n_source if backwards else 0, n_source, speed)[:room]
        rest[pause : pause + len(samples)] = samples[::-1] if backwards else samples

    def _utterance(self, clip: Clip, speed: float, random: np.random.Generator) -> np.ndarray:
        """At most a segment of an utterance, from anywhere in it."""
        n_source = min(clip.n_samples, int(self.n_samples * speed))
        offset = int(random.integers(clip.n_samples - n_source + 1))
        return self._read(clip, offset, n_source, speed)[: self.n_samples]

    def _read(self, clip: Clip, offset: int, n_samples: int, speed: float) -> np.ndarray:
        """Samples at active level 1, `speed` times as fast by linear interpolation, which changes the pitch too."""
        samples = self.speech.read(clip, offset, n_samples)
        n_new = max(1, int(len(samples) / speed))
        positions = np.arange(n_new) * speed
        faster = np.interp(positions, np.arange(len(samples)), samples)
        return (faster / np.sqrt(clip.level)).astype(np.float32)

    def _noise(self, random: np.random.Generator) -> np.ndarray:
        """A piece of noise, repeated where it is short, at a random level below the talkers' mean level."""
        noise = self.noise
        assert noise is not None  # `__getitem__` asks for noise only where there is some
        clip = self._any(noise.clips, random)
        offset = int(random.integers(max(1, clip.n_samples - self.n_samples + 1)))
        piece = np.resize(noise.read(clip, offset, self.n_samples), self.n_samples)
        power = float(np.mean(np.square(piece, dtype=np.float64)))
        snr = random.uniform(self.config.noise_snr_low, self.config.noise_snr_high)
        return piece * np.float32(10 ** (-snr / 20) / np.sqrt(max(power, 1e-12)))


def _opposite(gain: float) -> np.ndarray:
    return np.array([gain, -gain])

"""Segments of two-talker mixtures for training and development: from Kaldi data folders, or mixed on the fly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import soundfile
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from spiking_tasnet.files import printable
from spiking_tasnet.processes import part_of_batch
from spiking_tasnet.separation.audio.files import audio_length
from spiking_tasnet.separation.audio.pipes import Pipe
from spiking_tasnet.separation.config import DataConfig, MixingConfig
from spiking_tasnet.separation.corpora.kaldi import Utterance, read_data_dir
from spiking_tasnet.separation.corpora.on_the_fly import MixedOnTheFly
from spiking_tasnet.separation.corpora.speech_cache import TABLE, SpeechCache
from spiking_tasnet.training.loaders import Loader
from spiking_tasnet.training.sampler import EpochSampler


class Segments(Dataset):
    """Segments of fixed length with their sources; the mixture is their sum, with the noise where there is some.

    An item is drawn by the key (epoch, index). In training the segment starts anywhere in the utterance, by a random
    number of seed, epoch and index alone, so that neither order nor processes change it. For development (`training`
    false) utterances are broken into consecutive segments, the last one aligned to the end. What is shorter than a
    segment is followed by zeros.

    Args:
        utterances: of one data folder.
        segment: seconds.
        sample_rate: Hz.
        training: random segments, one per utterance and epoch.
        remix: training only: take the last source from another mixture of other talkers.
        seed: of all random choices.

    Shape:
        item: mixture (time,), sources (n_src, time).

    Raises:
        ValueError: a file that is not readable, or at another sample rate.
    """

    def __init__(
        self,
        utterances: list[Utterance],
        segment: float,
        sample_rate: int,
        *,
        training: bool,
        remix: bool = False,
        seed: int = 0,
    ):
        self.utterances, self.n_samples, self.sample_rate = utterances, round(segment * sample_rate), sample_rate
        self.training, self.remix, self.seed = training, remix and training, seed
        self.lengths = [_length(utterance, sample_rate) for utterance in utterances]
        self.keys = [
            (item, offset)
            for item, length in enumerate(self.lengths)
            for offset in ([0] if training else _offsets(length, self.n_samples))
        ]

    def __len__(self) -> int:
        """Number of segments per epoch."""
        return len(self.keys)

    def contents(self) -> list[str]:
        """A line per mixture: its name, talkers and length."""
        return [
            f"{utterance.id} {' '.join(utterance.talkers)} {length}\n"
            for utterance, length in zip(self.utterances, self.lengths, strict=True)
        ]

    @property
    def talkers(self) -> set[str]:
        """All talkers."""
        return {talker for utterance in self.utterances for talker in utterance.talkers}

    @property
    def hours(self) -> float:
        """Duration of the mixtures."""
        return sum(self.lengths) / self.sample_rate / 3600

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The segment `key` = (epoch, index)."""
        epoch, index = key
        item, offset = self.keys[index]
        random = np.random.default_rng((self.seed, epoch, index))
        utterance = self.utterances[item]
        items, offsets = [item] * len(utterance.sources), [offset] * len(utterance.sources)
        if self.remix:
            items[-1] = self._partner(item, random)
            offsets = [self._offset(source, random) for source in items]
        elif self.training:
            offsets = [self._offset(item, random)] * len(items)
        sources = [
            self._read(_file(self.utterances[source].sources[place]), start, self.lengths[source])
            for place, (source, start) in enumerate(zip(items, offsets, strict=True))
        ]
        mixture = np.sum(sources, axis=0)
        if utterance.noise:
            mixture += self._read(_file(utterance.noise), offsets[0], 0)
        return torch.from_numpy(mixture), torch.from_numpy(np.stack(sources))

    def _offset(self, item: int, random: np.random.Generator) -> int:
        return int(random.integers(max(0, self.lengths[item] - self.n_samples) + 1))

    def _partner(self, item: int, random: np.random.Generator) -> int:
        taken = set(self.utterances[item].talkers[:-1])
        for _ in range(10):
            other = int(random.integers(len(self.utterances)))
            if self.utterances[other].talkers[-1] not in taken:
                return other
        return item

    def _read(self, path: Path, offset: int, length: int) -> np.ndarray:
        """A segment from `offset` on of a file of at least `length` samples."""
        try:
            samples, _ = soundfile.read(path, frames=self.n_samples, start=offset, dtype="float32")
        except (soundfile.LibsndfileError, ValueError) as error:
            raise ValueError(f"{printable(path)}: cannot be read ({error}); run stage 0 again") from None
        if len(samples) < min(self.n_samples, length - offset):
            found, expected = offset + len(samples), length
            raise ValueError(f"{printable(path)}: {found} samples found, {expected} expected; run stage 0 again")
        if not np.isfinite(samples).all():
            raise ValueError(f"{printable(path)}: NaN or infinite samples found; run stage 0 again")
        return np.pad(samples, (0, self.n_samples - len(samples)))


def _file(source: Path | Pipe) -> Path:
    """A source that can be read from any place on."""
    if isinstance(source, Pipe):
        raise ValueError(f"`{source}`: a command found, a sound file expected; run it once and name its output")
    return source


def _length(utterance: Utterance, sample_rate: int) -> int:
    """Samples of every source of a mixture, by their headers."""
    lengths = set()
    for path in map(_file, utterance.sources):
        try:
            n_samples, rate = audio_length(path)
        except (OSError, ValueError) as error:
            reason = str(error).removeprefix(f"{printable(path)}: ").removeprefix("cannot be read ")
            raise ValueError(f"{printable(path)}: cannot be read ({reason}); run stage 0 again") from None
        if rate != sample_rate:
            raise ValueError(f"{printable(path)}: {rate} Hz found, {sample_rate} Hz expected; mix at that rate")
        lengths.add(n_samples)
    if len(lengths) > 1:
        raise ValueError(f"{utterance.id}: sources of {sorted(lengths)} samples found, one length expected; mix again")
    return lengths.pop()


def _offsets(length: int, n_samples: int) -> list[int]:
    if length <= n_samples:
        return [0]
    starts = list(range(0, length - n_samples + 1, n_samples))
    return starts if starts[-1] + n_samples == length else [*starts, length - n_samples]


class SeparationData(pl.LightningDataModule):
    """Training and development segments of `<data_dir>/tr` and `<data_dir>/cv`.

    If stage 0 left a cache of talkers (`<data_dir>/talkers`), training mixtures are made from it, on the fly.

    Args:
        data_dir: what stage 0 made.
        config: segments and batches.
        sample_rate: Hz.
        batches_per_epoch: training batches per epoch; 0 for all.
        seed: of segments and order.
        mixing: how mixtures are drawn from a cache of talkers.
        n_src: talkers of such a mixture.

    Raises:
        FileNotFoundError, ValueError: as `read_data_dir`, `Segments`, `SpeechCache` and `MixedOnTheFly`.
    """

    def __init__(
        self,
        data_dir: str | Path,
        config: DataConfig,
        sample_rate: int,
        batches_per_epoch: int = 0,
        seed: int = 0,
        mixing: MixingConfig | None = None,
        n_src: int = 2,
    ):
        super().__init__()
        self.config, self.batches_per_epoch, self.seed = config, batches_per_epoch, seed
        data_dir = Path(data_dir)
        dev = read_data_dir(data_dir / "cv")[: config.limit_dev or None]
        self.dev = Segments(dev, config.segment, sample_rate, training=False)
        if (data_dir / "talkers" / TABLE).exists():
            self.train = self._on_the_fly(data_dir, sample_rate, mixing or MixingConfig(), n_src)
        else:
            train = read_data_dir(data_dir / "tr")[: config.limit_train or None]
            self.train = Segments(train, config.segment, sample_rate, training=True, remix=config.remix, seed=seed)

    def _on_the_fly(self, data_dir: Path, sample_rate: int, mixing: MixingConfig, n_src: int) -> MixedOnTheFly:
        speech = SpeechCache(data_dir / "talkers")
        if speech.sample_rate != sample_rate:
            raise ValueError(
                f"{speech.folder}: {speech.sample_rate} Hz found, {sample_rate} Hz expected; "
                "run stage 0 with that --sample-rate"
            )
        return MixedOnTheFly(
            speech,
            mixing,
            n_src=n_src,
            segment=self.config.segment,
            n_items=self.batches_per_epoch * self.config.batch_size or len(speech.clips),
            noise=SpeechCache(data_dir / "noise") if (data_dir / "noise" / TABLE).exists() else None,
            seed=self.seed,
        )

    @property
    def dev_talkers_heard(self) -> bool:
        """Whether the development set has talkers of the training set only: the paper's closed condition."""
        return self.dev.talkers <= self.train.talkers

    def _loader(self, segments: Segments | MixedOnTheFly, n_keys: int) -> DataLoader:
        sampler = EpochSampler(len(segments), n_keys, shuffle=segments.training, seed=self.seed)
        return Loader(
            segments,
            batch_size=part_of_batch(self.config.batch_size),
            sampler=sampler,
            num_workers=self.config.num_workers,
            drop_last=segments.training and len(sampler) >= self.config.batch_size,
            pin_memory=torch.cuda.is_available(),
        )

    def train_dataloader(self) -> DataLoader:
        """Random segments."""
        return self._loader(self.train, self.batches_per_epoch * self.config.batch_size)

    def val_dataloader(self) -> DataLoader:
        """Consecutive segments."""
        return self._loader(self.dev, 0)

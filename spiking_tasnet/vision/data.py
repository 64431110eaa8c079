"""Batches of images for training, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from spiking_tasnet.processes import part_of_batch
from spiking_tasnet.training.loaders import Loader
from spiking_tasnet.training.sampler import EpochSampler
from spiking_tasnet.vision.config import DataConfig
from spiking_tasnet.vision.corpora import Corpus, image_folder, read_corpus, torchvision

Keys = Sequence[tuple[int, int]]  # (epoch, index)
Batch = tuple[Tensor, Tensor]  # images (batch, chan, height, width) float32, labels (batch,) int64


class ArrayImages(Dataset[Batch]):
    """Images held as bytes; a whole batch is fetched, shifted and mirrored at once.

    Args:
        images: uint8 (n, chan, height, width).
        labels: int64 (n,).
        config: `shift`, `flip` and `normalise` are read.
        corpus: mean and standard deviation of each channel.
        training: whether to augment.
        seed: seed of the augmentation.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, config: DataConfig, corpus: Corpus, *, training: bool, seed: int
    ):
        """Keep the arrays; nothing is read from disk before a batch is fetched."""
        self.images, self.labels, self.config = images, labels, config
        self.training, self.seed = training, seed
        self.mean = torch.tensor(corpus.mean if config.normalise else (0.0,)).view(-1, 1, 1)
        self.std = torch.tensor(corpus.std if config.normalise else (1.0,)).view(-1, 1, 1)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        """One image and its label."""
        x, y = self.__getitems__([key])
        return x[0], y[0]

    def __getitems__(self, keys: Keys) -> Batch:
        """A batch; the same keys always give the same batch."""
        index = np.array([index for _, index in keys])
        images = self.images[index]
        if self.training and (self.config.shift or self.config.flip):
            images = augment(images, self.config, np.random.default_rng((self.seed, keys[0][0], keys[0][1])))
        x = torch.from_numpy(np.ascontiguousarray(images)).float().div_(255)
        if self.config.normalise:
            x = x.sub_(self.mean).div_(self.std)
        return x, torch.from_numpy(self.labels[index])


def augment(images: np.ndarray, config: DataConfig, random: np.random.Generator) -> np.ndarray:
    """Shift each image of (n, chan, height, width) by up to `shift` pixels each way, and mirror every other one."""
    count, shift = len(images), config.shift
    if shift:
        padded = np.pad(images, ((0, 0), (0, 0), (shift, shift), (shift, shift)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[2:], axis=(2, 3))
        down, right = random.integers(0, 2 * shift + 1, (2, count))
        images = windows[np.arange(count), :, down, right]
    if config.flip:
        mirrored = random.random(count) < 0.5
        images = np.where(mirrored[:, None, None, None], images[..., ::-1], images)
    return images


class FolderImages(Dataset[tuple[Tensor, int]]):
    """Images read from one folder per class, at 224 pixels: a random crop in training, otherwise the middle."""

    def __init__(self, folder: Path, corpus: Corpus, *, training: bool):
        """List the images of all classes."""
        size, transforms = corpus.image[1], torchvision().transforms
        crop = (
            [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip()]
            if training
            else [transforms.Resize(round(size / 0.875)), transforms.CenterCrop(size)]
        )
        steps = [*crop, transforms.ToTensor(), transforms.Normalize(corpus.mean, corpus.std)]
        self.images = image_folder(folder, transforms.Compose(steps))

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int]:
        """One image and its label."""
        return self.images[key[1]]


class VisionData(pl.LightningDataModule):
    """Training and validation images (90:10 by a fixed seed), and the test set.

    ImageNet keeps its own split, as in the paper (section 5.1): its validation folder is the test set here. Validation
    images are split from the training images as for the other corpora, so that no choice ever sees the test set.

    Args:
        data_dir: what stage 0 made.
        config: batches, split, augmentation.
        seed: seed of order and augmentation.

    Raises:
        FileNotFoundError: stage 0 did not run.
        ValueError: too few images for training or validation, or a channel that cannot be normalised.
    """

    def __init__(self, data_dir: str | Path, config: DataConfig, seed: int = 0):
        """Split the training set."""
        super().__init__()
        self.config, self.seed, self.data_dir = config, seed, Path(data_dir)
        self.corpus = read_corpus(self.data_dir)
        order = np.random.default_rng(config.split_seed).permutation(self.corpus.counts[0])
        n_val = round(config.val_part * len(order))
        self.val_index = np.sort(order[:n_val][: config.limit_val or None])
        self.train_index = np.sort(order[n_val:][: config.limit_train or None])
        if len(self.train_index) < 2 or not len(self.val_index):
            raise ValueError(
                f"data: {len(self.train_index)} training and {len(self.val_index)} validation images found, two (batch "
                "norm needs them) and one expected; change val_part or limit_train"
            )
        if config.normalise and not all(std > 0 for std in self.corpus.std):
            raise ValueError("data.normalise: a channel that is the same everywhere found; set normalise: false")

    def _images(self, part: str, training: bool) -> Images:
        if self.corpus.folder:
            folder = self.data_dir / self.corpus.folder / ("train" if part == "train" else "val")
            if not folder.is_dir():
                raise FileNotFoundError(f"{folder}: the images are gone; run stage 0 again and name them by --source")
            return FolderImages(folder, self.corpus, training=training)
        images, labels = (np.load(self.data_dir / f"{part}_{kind}.npy", mmap_mode="r") for kind in ("images", "labels"))
        return ArrayImages(images, labels, self.config, self.corpus, training=training, seed=self.seed)

    def _loader(self, part: str, index: np.ndarray | None, training: bool = False) -> DataLoader[Any]:
        images = self._images(part, training)
        dataset = images if index is None else Chosen(images, index)
        sampler = EpochSampler(len(dataset), shuffle=training, seed=self.seed)
        return Loader(
            dataset,
            batch_size=part_of_batch(self.config.batch_size),
            sampler=sampler,
            num_workers=self.config.num_workers,
            collate_fn=_unchanged if isinstance(images, ArrayImages) else None,
            drop_last=training and len(dataset) >= self.config.batch_size,
            pin_memory=torch.cuda.is_available(),
        )

    def train_dataloader(self) -> DataLoader[Any]:
        """The training images, shuffled and augmented."""
        return self._loader("train", self.train_index, training=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """The images of the training set that are kept for validation."""
        return self._loader("train", self.val_index)

    def test_dataloader(self, limit: int = 0) -> DataLoader[Any]:
        """The test set, or always the same images of it: at most `limit` and at most `limit_test`, where not 0.

        They are drawn from all of it, because the images of some corpora are sorted by class.
        """
        limit = min((count for count in (limit, self.config.limit_test) if count), default=0)
        order = np.random.default_rng(self.config.split_seed).permutation(self.corpus.counts[1])
        return self._loader("test", np.sort(order[:limit]) if limit else None)


class Chosen(Dataset[Any]):
    """The images of another data set at `index`, by (epoch, position)."""

    def __init__(self, images: Images, index: np.ndarray):
        """Keep the images and which of them count."""
        self.images, self.index = images, index

    def __len__(self) -> int:
        """Number of images."""
        return len(self.index)

    def __getitem__(self, key: tuple[int, int]) -> Any:
        """One image and its label."""
        return self.images[key[0], int(self.index[key[1]])]

    def __getitems__(self, keys: Keys) -> Batch | list[tuple[Tensor, int]]:
        """A batch of `ArrayImages`, which is complete; items of `FolderImages`, which are still to be collated."""
        keys = [(epoch, int(self.index[position])) for epoch, position in keys]
        if isinstance(self.images, ArrayImages):
            return self.images.__getitems__(keys)
        return [self.images[key] for key in keys]


Images = ArrayImages | FolderImages


def _unchanged(batch: Any) -> Any:
    return batch

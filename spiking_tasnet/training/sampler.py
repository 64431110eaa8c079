"""The order of the items in an epoch; it does not depend on interruptions of the run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from spiking_tasnet.processes import share


class EpochSampler(Sampler):
    """Keys (epoch, index), shuffled by seed and epoch; Lightning sets the epoch.

    Several processes take keys in turn, so that their batches together are those of one process. Up to one key less
    than there are processes is left out at the end, so that all have as many.

    Args:
        n_items: items in the data set.
        n_keys: items per epoch, drawn again for each; 0 for all.
        shuffle: False keeps the order and epoch 0.
        seed: of the order.
    """

    def __init__(self, n_items: int, n_keys: int = 0, *, shuffle: bool, seed: int = 0):
        self.n_items, self.n_keys = n_items, min(n_keys, n_items) or n_items
        self.shuffle, self.seed, self.epoch = shuffle, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Keys of this process."""
        return self.n_keys // share()[1]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The keys of this process."""
        rank, world = share()
        if not self.shuffle:
            order = np.arange(self.n_items)
        else:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.n_items)
        epoch = self.epoch if self.shuffle else 0
        for index in order[: self.n_keys][rank::world][: len(self)]:
            yield epoch, int(index)

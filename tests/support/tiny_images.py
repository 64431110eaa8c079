"""A fabricated image corpus: each class lights up its own corner, so a small network learns it in a few epochs."""

import gzip
import struct

import numpy as np

from spiking_tasnet.vision.corpora import IDX, prepare


def images_of(count, size=12, n_classes=4, seed=0):
    """Grey images (n, size, size) uint8 and labels (n,) uint8."""
    random = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.uint8) % n_classes
    images = random.integers(0, 60, (count, size, size), dtype=np.uint8)
    half = size // 2
    for image, label in zip(images, labels, strict=True):
        down, right = half * (label // 2 % 2), half * (label % 2)
        image[down : down + half, right : right + half] += 150
    return images, labels


def idx_bytes(values):
    """An IDX file of bytes."""
    return struct.pack(f">BBBB{values.ndim}i", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def write_idx(folder, counts=(60, 20), size=12, compress=False):
    """The four files of MNIST, with fewer and smaller images."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (part, count) in enumerate(zip(("train", "test"), counts, strict=True)):
        for name, values in zip(IDX[part], images_of(count, size, seed=seed), strict=True):
            data = idx_bytes(values)
            path = folder / (f"{name}.gz" if compress else name)
            path.write_bytes(gzip.compress(data) if compress else data)
    return folder


def tiny_data(folder, counts=(60, 20), size=12):
    """A data folder as stage 0 leaves it."""
    prepare("mnist", write_idx(folder / "source", counts, size), folder / "data")
    return folder / "data"

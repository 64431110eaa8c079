"""Stage 0: MNIST, CIFAR-10 or an ImageNet-like folder, checked and brought into one form.

MNIST (LeCun, Cortes and Burges; commonly distributed under CC BY-SA 3.0) and CIFAR-10 (Krizhevsky 2009, no formal
licence) become arrays of bytes; ImageNet (image-net.org, for research) stays the folder it is.
"""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from spiking_tasnet.files import read_json, whole_file, write_json
from spiking_tasnet.progress import track

logger = logging.getLogger(__name__)
PARTS = ("train", "test")
UNPACKED = ".unpacked."  # prefix of a temporary folder
EXPECTED = {"mnist": (60000, 10000), "cifar10": (50000, 10000), "imagenet": (1281167, 50000)}
IDX = {
    part: (f"{name}-images-idx3-ubyte", f"{name}-labels-idx1-ubyte")
    for part, name in (("train", "train"), ("test", "t10k"))
}
Arrays = tuple[np.ndarray, np.ndarray]  # images (n, chan, height, width) uint8, labels (n,) int64


@dataclass(frozen=True)
class Corpus:
    """What stage 0 wrote about a data folder.

    Attributes:
        corpus: ``mnist``, ``cifar10`` or ``imagenet``.
        image: channels, height, width.
        classes: names of the classes.
        counts: number of training and test images.
        mean: of each channel over the training set, pixels from 0 to 1.
        std: standard deviation of each channel, likewise.
        folder: where images are read from disk, absolute or relative to the data folder; empty for arrays.
    """

    corpus: str
    image: tuple[int, int, int]
    classes: tuple[str, ...]
    counts: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    folder: str = ""


def prepare(corpus: str, source: Path | None, out: Path, download: bool = False) -> Corpus:
    """Write `dataset.json` and, except for ImageNet, the arrays `{train,test}_{images,labels}.npy` into `out`.

    Args:
        corpus: ``mnist``, ``cifar10`` or ``imagenet``.
        source: folder of the corpus; None only with `download`.
        out: data folder.
        download: let torchvision fetch the corpus (MNIST, CIFAR-10).

    Raises:
        FileNotFoundError: `source` does not hold the corpus in any known form.
        ValueError: `source` holds something else, or the corpus cannot be fetched.
    """
    if corpus not in EXPECTED:
        raise ValueError(f"corpus {corpus!r} found, one of {', '.join(EXPECTED)} expected")
    out.mkdir(parents=True, exist_ok=True)
    if download:
        source = _download(corpus, out / "download")
    if source is None or not source.is_dir():
        raise FileNotFoundError(f"{source}: no such folder; --source names the folder of {corpus}")
    if corpus == "imagenet":
        found = _imagenet(source, out)
    else:
        arrays = {part: _mnist(source, part) if corpus == "mnist" else _cifar10(source, part, out) for part in PARTS}
        for part, (images, labels) in arrays.items():
            for kind, values in (("images", images), ("labels", labels)):
                with whole_file(out / f"{part}_{kind}.npy") as temporary:
                    np.save(temporary, values)
        images = arrays["train"][0]
        classes = [str(digit) for digit in range(10)] if corpus == "mnist" else CIFAR10_CLASSES
        scaled = [images[:, chan].astype(np.float32) / 255 for chan in range(images.shape[1])]
        found = Corpus(
            corpus,
            images.shape[1:],
            tuple(classes),
            (len(arrays["train"][1]), len(arrays["test"][1])),
            tuple(float(chan.mean()) for chan in scaled),
            tuple(float(chan.std()) for chan in scaled),
        )
    if found.counts != EXPECTED[corpus]:
        logger.warning("%s: %s training and test images found, %s expected", source, found.counts, EXPECTED[corpus])
    write_json(out / "dataset.json", vars(found))
    return found


def read_corpus(data_dir: Path) -> Corpus:
    """Read `dataset.json` of a data folder.

    Raises:
        FileNotFoundError: stage 0 did not run.
        ValueError: another version wrote the file.
    """
    path = data_dir / "dataset.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; stage 0 makes it")
    try:
        facts: dict[str, Any] = read_json(path)
        facts = {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}
        return Corpus(**facts)
    except (AttributeError, TypeError):
        raise ValueError(f"{path}: not what stage 0 writes; run stage 0 again with --force") from None


CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def torchvision() -> ModuleType:
    """Import the package, which is an extra: arrays and MNIST's own files do not need it.

    Raises:
        ValueError: it is not installed, or does not load beside this torch.
    """
    try:
        import torchvision
    except (ImportError, OSError, RuntimeError) as error:  # the latter two if it was built for another torch
        raise ValueError(
            f"torchvision is needed and does not load ({error}); "
            "install the extra 'vision': pip install -c constraints.txt '.[vision]'"
        ) from None
    return torchvision


def image_folder(folder: Path, transform: Callable[[Any], Any] | None = None) -> Any:
    """Torchvision's `ImageFolder`: one folder per class. Hidden files, such as macOS' `._x.jpg`, are no images."""
    datasets = torchvision().datasets

    def is_image(path: str) -> bool:
        name = os.path.basename(path)
        return not name.startswith(".") and name.lower().endswith(datasets.folder.IMG_EXTENSIONS)

    return datasets.ImageFolder(str(folder), transform, is_valid_file=is_image)


def _download(corpus: str, folder: Path) -> Path:
    names = {"mnist": "MNIST", "cifar10": "CIFAR10"}
    if corpus not in names:
        raise ValueError(f"{corpus} cannot be fetched freely; name its folder with --source")
    fetch = getattr(torchvision().datasets, names[corpus])
    try:
        fetch(str(folder), download=True)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{corpus} cannot be fetched ({error}); get it elsewhere and give --source") from None
    return folder


def _mnist(source: Path, part: str) -> Arrays:
    images, labels = (_idx(source, name) for name in IDX[part])
    if images.ndim != 3 or len(images) != len(labels):
        raise ValueError(f"{source}: {images.shape} images and {len(labels)} labels found in the {part} set of MNIST")
    return images[:, None], labels.astype(np.int64)


def _idx(source: Path, name: str) -> np.ndarray:
    """Read an IDX file, plain or gzipped, from the folder itself or from where torchvision puts it."""
    for folder in (source, source / "MNIST" / "raw", source / "raw"):
        for path in (folder / name, folder / f"{name}.gz"):
            if not path.is_file():
                continue
            try:
                data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise ValueError(f"{path}: damaged ({error}); fetch it again") from None
            n_axes = data[3] if len(data) > 3 else 0
            if data[:3] != b"\0\0\x08" or len(data) < 4 + 4 * n_axes:
                raise ValueError(f"{path}: not an IDX file of bytes; fetch it again")
            shape = np.frombuffer(data, ">i4", n_axes, offset=4)
            values = np.frombuffer(data, np.uint8, offset=4 + 4 * n_axes)
            if values.size != np.prod(shape):
                raise ValueError(f"{path}: {values.size} bytes found, {np.prod(shape)} expected; fetch it again")
            return values.reshape(shape).copy()
    raise FileNotFoundError(f"{source}: no {name} or {name}.gz there or under MNIST/raw; --source names MNIST's folder")


def _cifar10(source: Path, part: str, out: Path) -> Arrays:
    """Read one part; an archive is unpacked beside the result for as long as it is read."""
    if (source / "cifar-10-batches-py").is_dir():
        batches = torchvision().datasets.CIFAR10(str(source), train=part == "train")
        return batches.data.transpose(0, 3, 1, 2).copy(), np.asarray(batches.targets, np.int64)
    if (source / part).is_dir():
        return _folder_arrays(source / part)
    archive = source / f"{part}.tar.gz"
    if archive.is_file():
        for left in out.glob(f"{UNPACKED}*"):  # by a killed run
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=UNPACKED, dir=out) as folder:
            try:
                with tarfile.open(archive) as opened:
                    opened.extractall(folder, filter="data")
            except (EOFError, tarfile.TarError, zlib.error) as error:
                raise ValueError(f"{archive}: damaged ({error}); fetch it again") from None
            inner = Path(folder) / part
            return _folder_arrays(inner if inner.is_dir() else Path(folder))
    raise FileNotFoundError(
        f"{source}: no cifar-10-batches-py, {part}/ (one folder per class) or {part}.tar.gz there; "
        "--source names the folder that holds one of them"
    )


def _folder_arrays(folder: Path) -> Arrays:
    """Read CIFAR-10 from one folder per class, classes in the usual order."""
    images = image_folder(folder, np.asarray)
    if tuple(images.classes) != CIFAR10_CLASSES:
        raise ValueError(f"{folder}: classes {', '.join(images.classes)} found, {', '.join(CIFAR10_CLASSES)} expected")
    stacked = np.stack([image for image, _ in track(images, len(images), folder.name, "image")])
    if stacked.shape[1:] != (32, 32, 3):
        raise ValueError(f"{folder}: images of {stacked.shape[1:]} found, (32, 32, 3) expected")
    return stacked.transpose(0, 3, 1, 2).copy(), np.asarray(images.targets, np.int64)


def _imagenet(source: Path, out: Path) -> Corpus:
    for part in ("train", "val"):
        if not (source / part).is_dir():
            raise FileNotFoundError(f"{source}: no {part}/ there; --source names a folder with train/ and val/")
    parts = [image_folder(source / part) for part in ("train", "val")]
    if parts[0].classes != parts[1].classes:
        raise ValueError(f"{source}: {len(parts[0].classes)} classes in train/, {len(parts[1].classes)} others in val/")
    counts = (len(parts[0]), len(parts[1]))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as torchvision states them
    return Corpus("imagenet", (3, 224, 224), tuple(parts[0].classes), counts, mean, std, _portable(source, out))


def _portable(source: Path, out: Path) -> str:
    """The images' folder, relative to the data folder if it lies beside it, so that both can be moved together."""
    source, out = source.resolve(), out.resolve()
    return os.path.relpath(source, out) if source.is_relative_to(out.parent) else str(source)

"""Stage 0 of the vision recipes: every form a corpus may come in, and what is said of a bad one."""

import pickle
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_images import images_of, write_idx

from spiking_tasnet.files import read_json
from spiking_tasnet.vision.config import DataConfig
from spiking_tasnet.vision.corpora import CIFAR10_CLASSES, IDX, prepare, read_corpus
from spiking_tasnet.vision.data import VisionData

MNIST = Path(__file__).parents[2].parent / "shared" / "data" / "mnist"


def arrays(data, part):
    return (np.load(data / f"{part}_{kind}.npy") for kind in ("images", "labels"))


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("below", ["", "MNIST/raw", "raw"])
def test_idx_files_plain_or_gzipped_where_they_may_lie(tmp_path, below, compress, caplog):
    write_idx(tmp_path / "source" / below, (24, 8), compress=compress)
    found = prepare("mnist", tmp_path / "source", tmp_path / "data")
    assert (found.image, found.counts, len(found.classes)) == ((1, 12, 12), (24, 8), 10)
    assert "(24, 8) training and test images found, (60000, 10000) expected" in caplog.text
    assert read_corpus(tmp_path / "data") == found
    for seed, part in enumerate(("train", "test")):
        images, labels = arrays(tmp_path / "data", part)
        expected, classes = images_of(24 if part == "train" else 8, seed=seed)
        assert images.dtype == np.uint8 and labels.dtype == np.int64
        assert np.array_equal(images[:, 0], expected) and np.array_equal(labels, classes)
    pixels = images_of(24)[0] / 255
    assert found.mean == pytest.approx([pixels.mean()]) and found.std == pytest.approx([pixels.std()])


def test_bad_idx_files_are_named(tmp_path):
    source = write_idx(tmp_path / "source", (24, 8))
    path = source / IDX["train"][0]
    good = path.read_bytes()
    for data, message in (
        (good[:-5], "3451 bytes found, 3456 expected; fetch it again"),
        (b"\0\0\x0d" + good[3:], "not an IDX file of bytes; fetch it again"),
        (b"<html>", "not an IDX file of bytes"),
        (b"", "not an IDX file of bytes"),
        (good[:10], "not an IDX file of bytes"),
    ):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=f"{path.name}: {message}"):
            prepare("mnist", source, tmp_path / "data")
    assert not (tmp_path / "data" / "dataset.json").exists()
    path.write_bytes(good)
    (source / IDX["train"][1]).write_bytes((source / IDX["test"][1]).read_bytes())
    with pytest.raises(ValueError, match=r"\(24, 12, 12\) images and 8 labels found in the train set"):
        prepare("mnist", source, tmp_path / "data")
    (source / IDX["test"][0]).unlink()
    with pytest.raises(FileNotFoundError, match="no t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz there"):
        write_idx(source, (24, 8))
        (source / IDX["test"][0]).unlink()
        prepare("mnist", source, tmp_path / "data")


def test_a_damaged_archive_is_named(tmp_path, cifar):
    source = write_idx(tmp_path / "source", (24, 8), compress=True)
    path = source / f"{IDX['train'][0]}.gz"
    whole = path.read_bytes()
    for data in (whole[:-200], b"<html>" + whole, whole[:100] + b"?" * 50 + whole[150:]):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=f"{path.name}: damaged .*; fetch it again"):
            prepare("mnist", source, tmp_path / "data")
    folder, path = write_folder(tmp_path / "unpacked", cifar), tmp_path / "train.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder / "train", arcname="train")
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], b"<html>"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="(?s)train.tar.gz: damaged .*; fetch it again"):
            prepare("cifar10", tmp_path, tmp_path / "data")


@pytest.fixture
def cifar():
    """Two training images and one test image a class, (n, 32, 32, 3), with labels in the usual order."""
    pytest.importorskip("torchvision")
    random = np.random.default_rng(0)
    return {
        part: (random.integers(0, 256, (10 * each, 32, 32, 3), dtype=np.uint8), np.arange(10).repeat(each))
        for part, each in (("train", 2), ("test", 1))
    }


def write_folder(folder, cifar, classes=CIFAR10_CLASSES):
    for part, (images, labels) in cifar.items():
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = folder / part / classes[label] / f"{number:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return folder


def check_cifar(data, cifar):
    found = read_corpus(data)
    assert (found.corpus, found.image, found.classes) == ("cifar10", (3, 32, 32), CIFAR10_CLASSES)
    for part, (expected, classes) in cifar.items():
        images, labels = arrays(data, part)
        assert np.array_equal(images, expected.transpose(0, 3, 1, 2)) and np.array_equal(labels, classes)
    assert found.mean == pytest.approx((cifar["train"][0] / 255).mean((0, 1, 2)), rel=1e-4)
    assert len(found.std) == 3


def test_cifar_in_a_folder_a_class(tmp_path, cifar):
    prepare("cifar10", write_folder(tmp_path / "source", cifar), tmp_path / "data")
    check_cifar(tmp_path / "data", cifar)


@pytest.mark.parametrize("nested", [True, False])
def test_cifar_in_archives(tmp_path, cifar, nested, monkeypatch):
    folder = write_folder(tmp_path / "unpacked", cifar)
    source = tmp_path / "source"
    source.mkdir()
    for part in cifar:
        with tarfile.open(source / f"{part}.tar.gz", "w:gz") as archive:
            archive.add(folder / part, arcname=part if nested else ".")
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")  # a full or absent TMPDIR is none of its business
    (tmp_path / "data" / ".unpacked.by-a-killed-run").mkdir(parents=True)
    prepare("cifar10", source, tmp_path / "data")
    check_cifar(tmp_path / "data", cifar)
    assert not [path.name for path in (tmp_path / "data").iterdir() if path.name.startswith(".")]


def test_cifar_in_python_batches(tmp_path, cifar, monkeypatch):
    from torchvision.datasets import CIFAR10

    folder = tmp_path / "source" / CIFAR10.base_folder
    folder.mkdir(parents=True)
    images, labels = cifar["train"]
    parts = {f"data_batch_{n + 1}": (images[4 * n : 4 * n + 4], labels[4 * n : 4 * n + 4]) for n in range(5)}
    for name, (pixels, classes) in (parts | {"test_batch": cifar["test"]}).items():
        flat = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
        (folder / name).write_bytes(pickle.dumps({"data": flat, "labels": classes.tolist()}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(CIFAR10_CLASSES)}))
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)  # these are not the originals
    prepare("cifar10", tmp_path / "source", tmp_path / "data")
    check_cifar(tmp_path / "data", cifar)


def test_bad_cifar_is_told(tmp_path, cifar):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no cifar-10-batches-py, train/ .one folder per class. or"):
        prepare("cifar10", tmp_path / "empty", tmp_path / "data")
    other = write_folder(tmp_path / "classes", cifar, [f"class{n}" for n in range(10)])
    with pytest.raises(ValueError, match="classes class0, class1, .* found, airplane, automobile"):
        prepare("cifar10", other, tmp_path / "data")
    small = {part: (images[:, :16], labels) for part, (images, labels) in cifar.items()}
    with pytest.raises(ValueError, match=r"images of \(16, 32, 3\) found, \(32, 32, 3\) expected"):
        prepare("cifar10", write_folder(tmp_path / "small", small), tmp_path / "data")


def test_imagenet_stays_the_folder_it_is(tmp_path, cifar):
    source = tmp_path / "source"
    write_folder(source, {"train": cifar["train"], "val": cifar["test"]})
    found = prepare("imagenet", source, tmp_path / "data")
    assert (found.image, found.counts, found.classes) == ((3, 224, 224), (20, 10), CIFAR10_CLASSES)
    assert (tmp_path / "data" / found.folder).resolve() == source.resolve() and not Path(found.folder).is_absolute()
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["dataset.json"]
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("source", "data"):
        shutil.move(tmp_path / name, moved / name)
    images = VisionData(moved / "data", DataConfig(batch_size=4))
    assert next(iter(images.test_dataloader()))[0].shape == (4, 3, 224, 224)
    shutil.move(moved / "source", source)
    with pytest.raises(FileNotFoundError, match="source/val: the images are gone; run stage 0 again and name them by"):
        images.test_dataloader()
    for image in (source / "val" / "truck").iterdir():
        image.rename(source / "val" / "ship" / f"moved-{image.name}")
    (source / "val" / "truck").rename(source / "val" / "zebra")
    Image.new("RGB", (32, 32)).save(source / "val" / "zebra" / "0.png")
    with pytest.raises(ValueError, match="10 classes in train/, 10 others in val/"):
        prepare("imagenet", source, tmp_path / "data")
    with pytest.raises(FileNotFoundError, match="no train/ there; --source names a folder with train/ and val/"):
        prepare("imagenet", tmp_path, tmp_path / "data")


def test_mistakes_are_told(tmp_path):
    with pytest.raises(ValueError, match="corpus 'svhn' found, one of mnist, cifar10, imagenet expected"):
        prepare("svhn", tmp_path, tmp_path / "data")
    with pytest.raises(FileNotFoundError, match="no such folder; --source names the folder of mnist"):
        prepare("mnist", tmp_path / "nowhere", tmp_path / "data")
    with pytest.raises(ValueError, match="imagenet cannot be fetched freely; name its folder with --source"):
        prepare("imagenet", None, tmp_path / "data", download=True)
    with pytest.raises(FileNotFoundError, match="dataset.json: not found; stage 0 makes it"):
        read_corpus(tmp_path / "nowhere")
    for text in ("[]", '{"corpus": "mnist"}', '{"name": 3}'):
        (tmp_path / "dataset.json").write_text(text)
        with pytest.raises(ValueError, match="not what stage 0 writes; run stage 0 again with --force"):
            read_corpus(tmp_path)


def test_only_image_files_need_torchvision(tmp_path, cifar, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)  # not to be imported
    write_folder(tmp_path / "images", cifar)
    with pytest.raises(ValueError, match="torchvision is needed and does not load .* install the extra 'vision'"):
        prepare("cifar10", tmp_path / "images", tmp_path / "data")
    with pytest.raises(ValueError, match="torchvision is needed"):
        prepare("mnist", None, tmp_path / "data", download=True)
    write_idx(tmp_path / "digits", (24, 8))
    assert prepare("mnist", tmp_path / "digits", tmp_path / "data").counts == (24, 8)


@pytest.mark.skipif(not MNIST.is_dir(), reason="no shared/data/mnist beside the checkout")
def test_mnist_itself(tmp_path, caplog):
    found = prepare("mnist", MNIST, tmp_path)
    assert not caplog.records
    assert (found.image, found.counts) == ((1, 28, 28), (60000, 10000))
    assert found.mean == pytest.approx([0.1307], abs=1e-4) and found.std == pytest.approx([0.3081], abs=1e-4)
    images, labels = arrays(tmp_path, "train")
    assert images.shape == (60000, 1, 28, 28)
    assert np.bincount(labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert read_json(tmp_path / "dataset.json")["corpus"] == "mnist"

"""Split, order and augmentation of the images: fixed where they must be, new where they should be."""

import numpy as np
import pytest
import torch
from tiny_images import tiny_data

from spiking_tasnet.files import read_json, write_json
from spiking_tasnet.vision.config import DataConfig
from spiking_tasnet.vision.corpora import Corpus, prepare
from spiking_tasnet.vision.data import ArrayImages, VisionData, augment


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("images"), (100, 20))


def test_the_split_is_90_to_10_disjoint_and_the_same_whatever_the_seed(data_dir):
    splits = [VisionData(data_dir, DataConfig(), seed) for seed in (0, 1, 7)]
    for data in splits:
        assert len(data.train_index) == 90 and len(data.val_index) == 10
        assert sorted([*data.train_index, *data.val_index]) == list(range(100))
        assert np.array_equal(data.val_index, splits[0].val_index)
    assert not np.array_equal(splits[0].val_index, np.arange(10))  # chosen at random, not the first ones
    other = VisionData(data_dir, DataConfig(split_seed=1))
    assert not np.array_equal(other.val_index, splits[0].val_index)
    limited = VisionData(data_dir, DataConfig(limit_train=30, limit_val=4))
    assert (len(limited.train_index), len(limited.val_index)) == (30, 4)
    assert set(limited.train_index) <= set(splits[0].train_index)
    assert set(limited.val_index) <= set(splits[0].val_index)


def read(loader, epoch=0):
    loader.sampler.set_epoch(epoch)
    images, labels = zip(*loader, strict=True)
    return torch.cat(images), torch.cat(labels)


def test_an_epoch_holds_every_training_image_once_in_an_order_of_its_own(data_dir):
    raw, classes = (np.load(data_dir / f"train_{kind}.npy") for kind in ("images", "labels"))
    data = VisionData(data_dir, DataConfig(batch_size=30), seed=5)
    pixels = lambda images: sorted((images * 255).round().to(torch.uint8).flatten(1).tolist())  # noqa: E731
    wanted = sorted(raw[data.train_index].reshape(90, -1).tolist())
    first, labels = read(data.train_dataloader(), 0)
    second, _ = read(data.train_dataloader(), 1)
    assert pixels(first) == pixels(second) == wanted
    assert not torch.equal(first, second)
    again, labels_again = read(VisionData(data_dir, DataConfig(batch_size=30), seed=5).train_dataloader(), 0)
    assert torch.equal(first, again) and torch.equal(labels, labels_again)
    other, _ = read(VisionData(data_dir, DataConfig(batch_size=30), seed=6).train_dataloader(), 0)
    assert not torch.equal(first, other)
    assert first.dtype == torch.float32 and 0 <= first.min() and first.max() <= 1
    for part, loader, index in (("val", data.val_dataloader(), data.val_index), ("test", data.test_dataloader(), None)):
        images, labels = read(loader)
        if part == "test":
            raw, classes = (np.load(data_dir / f"test_{kind}.npy") for kind in ("images", "labels"))
        expected = raw if index is None else raw[index]
        torch.testing.assert_close(images, torch.from_numpy(expected).float() / 255)
        assert labels.tolist() == (classes if index is None else classes[index]).tolist()


def test_some_test_images_always_the_same_and_no_more_than_there_are(data_dir):
    data = VisionData(data_dir, DataConfig(batch_size=6))
    whole, _ = read(data.test_dataloader())
    some, _ = read(data.test_dataloader(7))
    assert torch.equal(read(VisionData(data_dir, DataConfig(batch_size=6), seed=3).test_dataloader(7))[0], some)
    places = [[torch.equal(image, other) for other in whole].index(True) for image in some]
    assert len(set(places)) == 7 and places == sorted(places)
    assert torch.equal(read(data.test_dataloader(1000))[0], whole)
    limited = VisionData(data_dir, DataConfig(batch_size=6, limit_test=7))
    for limit, expected in ((0, some), (9, some), (5, read(data.test_dataloader(5))[0])):
        assert torch.equal(read(limited.test_dataloader(limit))[0], expected)


def test_a_short_last_batch_is_dropped_in_training_only(data_dir):
    data = VisionData(data_dir, DataConfig(batch_size=40))
    assert [len(labels) for _, labels in data.train_dataloader()] == [40, 40]
    assert [len(labels) for _, labels in VisionData(data_dir, DataConfig(batch_size=96)).train_dataloader()] == [90]
    assert [len(labels) for _, labels in data.val_dataloader()] == [10]


CORPUS = Corpus("toy", (2, 6, 5), ("a", "b"), (50, 0), (0.4, 0.6), (0.2, 0.3))
IMAGES = np.random.default_rng(0).integers(1, 256, (50, 2, 6, 5), dtype=np.uint8)  # no zero: those come from shifts
LABELS = np.arange(50) % 2


def images(training=True, seed=3, **config):
    return ArrayImages(IMAGES, LABELS, DataConfig(**config), CORPUS, training=training, seed=seed)


def test_augmentation_depends_on_seed_epoch_and_keys_alone():
    keys = [(2, index) for index in (4, 9, 30, 1)]
    found = images(shift=2, flip=True).__getitems__(keys)[0]
    np.random.seed(99)
    torch.manual_seed(99)
    assert torch.equal(images(shift=2, flip=True).__getitems__(keys)[0], found)
    for other in (
        images(shift=2, flip=True, seed=4).__getitems__(keys)[0],
        images(shift=2, flip=True).__getitems__([(3, index) for _, index in keys])[0],
    ):
        assert not torch.equal(other, found)


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_a_batch_equals_its_items(training, normalise):
    # In training without augmentation, and with it where nothing is trained.
    config = {"normalise": normalise} | ({} if training else {"shift": 2, "flip": True})
    dataset = images(training, **config)
    keys = [(1, index) for index in (8, 3, 49)]
    x, y = dataset.__getitems__(keys)
    for place, key in enumerate(keys):
        item, label = dataset[key]
        assert torch.equal(item, x[place]) and label == y[place] == LABELS[key[1]]
        expected = torch.from_numpy(IMAGES[key[1]]).float() / 255
        if normalise:
            expected = (expected - torch.tensor(CORPUS.mean).view(2, 1, 1)) / torch.tensor(CORPUS.std).view(2, 1, 1)
        torch.testing.assert_close(item, expected)


def test_normalised_training_images_have_zero_mean_and_unit_variance(tmp_path):
    data_dir = tiny_data(tmp_path, (60, 10))
    data = VisionData(data_dir, DataConfig(normalise=True, val_part=0.5, batch_size=60))
    both = torch.cat([read(data.train_dataloader())[0], read(data.val_dataloader())[0]])
    assert both.mean().item() == pytest.approx(0, abs=1e-5)
    assert both.std(correction=0).item() == pytest.approx(1, abs=1e-4)


def test_shifts_reach_every_place_and_let_zeros_in():
    found = augment(IMAGES.repeat(20, axis=0), DataConfig(shift=1), np.random.default_rng(0))
    seen = set()
    for image, moved in zip(IMAGES.repeat(20, axis=0), found, strict=True):
        padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
        places = [(d, r) for d in range(3) for r in range(3) if np.array_equal(padded[:, d : d + 6, r : r + 5], moved)]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) == 9


def test_every_other_image_is_mirrored_as_a_whole():
    found = augment(IMAGES.repeat(20, axis=0), DataConfig(flip=True), np.random.default_rng(0))
    mirrored = [
        np.array_equal(moved, image[..., ::-1]) for image, moved in zip(IMAGES.repeat(20, axis=0), found, strict=True)
    ]
    kept = [np.array_equal(moved, image) for image, moved in zip(IMAGES.repeat(20, axis=0), found, strict=True)]
    assert all(one != other for one, other in zip(mirrored, kept, strict=True))
    assert 0.45 < np.mean(mirrored) < 0.55


def test_images_of_a_folder_come_cropped_to_224_pixels(tmp_path):
    pytest.importorskip("torchvision")
    from PIL import Image

    random = np.random.default_rng(0)
    for part, count in (("train", 5), ("val", 2)):
        for name in ("cat", "dog"):
            (tmp_path / "source" / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (40 + 10 * number, 60, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "source" / part / name / f"{number}.png")
    prepare("imagenet", tmp_path / "source", tmp_path / "data")
    data = VisionData(tmp_path / "data", DataConfig(batch_size=4, val_part=0.2))
    assert (len(data.train_index), len(data.val_index)) == (8, 2)
    x, y = next(iter(data.train_dataloader()))
    assert x.shape == (4, 3, 224, 224) and y.dtype == torch.int64
    test = [batch for batch in data.test_dataloader()]
    assert [len(labels) for _, labels in test] == [4] and test[0][1].tolist() == [0, 0, 1, 1]
    assert torch.equal(next(iter(data.test_dataloader()))[0], test[0][0])  # no chance in it


def test_mistakes_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="stage 0 makes it"):
        VisionData(tmp_path, DataConfig())
    with pytest.raises(ValueError, match="batch_size >= 2"):
        DataConfig(batch_size=1)
    with pytest.raises(ValueError, match="val_part in"):
        DataConfig(val_part=1.0)


@pytest.mark.parametrize("settings", [{"val_part": 0.001}, {"val_part": 0.999}, {"limit_train": 1}])
def test_a_split_that_leaves_too_few_images_is_refused_before_training(data_dir, settings):
    with pytest.raises(ValueError, match="training and .* validation images found, two .* and one expected"):
        VisionData(data_dir, DataConfig(**settings))


def test_a_constant_channel_is_not_normalised(tmp_path):
    data_dir = tiny_data(tmp_path)
    facts = read_json(data_dir / "dataset.json")
    write_json(data_dir / "dataset.json", facts | {"std": [0.0]})
    with pytest.raises(ValueError, match="a channel that is the same everywhere found"):
        VisionData(data_dir, DataConfig(normalise=True))
    VisionData(data_dir, DataConfig())


def test_hidden_files_of_an_image_folder_are_no_images(tmp_path):
    pytest.importorskip("torchvision")
    from PIL import Image

    for part in ("train", "val"):
        for name in ("cat", "dog"):
            (tmp_path / "source" / part / name).mkdir(parents=True)
            for number in range(3):
                Image.new("RGB", (50, 40)).save(tmp_path / "source" / part / name / f"{number}.PNG")
                (tmp_path / "source" / part / name / f"._{number}.PNG").write_bytes(b"\0\5\x16\7")
    assert prepare("imagenet", tmp_path / "source", tmp_path / "data").counts == (6, 6)
    data = VisionData(tmp_path / "data", DataConfig(batch_size=2, val_part=0.34))
    assert sum(len(labels) for _, labels in data.test_dataloader()) == 6

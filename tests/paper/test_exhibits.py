"""The paper's tables and figures on a fabricated data set: what they write, and that nothing is trained twice."""

import csv
import dataclasses
import logging

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from spiking_tasnet.cli.main import main
from spiking_tasnet.files import write_json
from spiking_tasnet.paper.reconstructions import pair_canvas
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.data import VisionData
from spiking_tasnet.vision.deciding import deciding

IMAGE, CLASSES, COUNTS = (1, 12, 12), 3, (60, 18)
SETTINGS = """
model: {width: 0.25, network: %s}
data: {batch_size: 18, val_part: 0.2}
ann: {max_epochs: 2}
snn: {max_epochs: 40}
end_to_end: {max_epochs: 2}
ptl: {num_steps: 4, patience: 1, max_epochs_per_stage: 1, percentile: 100, threshold_batches: 1}
baselines: {rate_steps: 40, rate_images: 9, rate_percentile: 100}
"""
EXHIBITS = {  # name -> network, options, labels of the CSV (none: rows are not runs)
    "table1": ("mnist_cnn", (), ["ANN", "PTL", "tandem learning", "surrogate gradient", "rate coding", "no training"]),
    "table2": ("mnist_cnn", ("--bits", "0,4"), ["float", "4 bits"]),
    "table3": ("autoencoder", ("--num-steps", "4,1"), ["ANN that is converted", "ANN, as many epochs", "4", "1"]),
    "fig1": ("mnist_cnn", (), None),
    "fig4": ("mnist_cnn", ("--networks", "mnist_cnn,vgg11", "--num-steps", "2"), None),
    "fig5": ("mnist_cnn", (), None),
    "fig6": ("mnist_cnn", ("--num-steps", "4,2", "--patiences", "1"), ["ANN", "N_s = 4", "N_s = 2", "T_p = 1"]),
    "fig8": ("autoencoder", (), None),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Data whose classes are bright bars at different heights, two configurations, and an output folder for all."""
    folder = tmp_path_factory.mktemp("paper")
    random = np.random.default_rng(0)
    for part, count in zip(("train", "test"), COUNTS, strict=True):
        labels = np.sort(np.arange(count) % CLASSES)  # as an image folder gives them
        images = random.integers(0, 60, (count, *IMAGE), dtype=np.uint8)
        for label in range(CLASSES):
            images[labels == label, :, 4 * label : 4 * label + 3] += 180
        (folder / "data").mkdir(exist_ok=True)
        np.save(folder / "data" / f"{part}_images.npy", images)
        np.save(folder / "data" / f"{part}_labels.npy", labels)
    facts = {"corpus": "mnist", "image": IMAGE, "classes": ["top", "middle", "low"], "counts": COUNTS}
    write_json(folder / "data" / "dataset.json", facts | {"mean": [0.4], "std": [0.3], "folder": ""})
    for network in ("mnist_cnn", "autoencoder"):
        (folder / f"{network}.yaml").write_text(SETTINGS % network)
    return folder


def paper(place, name, *options):
    network, usual, _ = EXHIBITS[name]
    where = ("--config", place / f"{network}.yaml", "--data", place / "data", "--out", place / "out")
    return main([str(word) for word in ("paper", name, *where, "--threads", 1, *usual, *options)])


def rows_of(place, name):
    with open(place / "out" / f"{name}.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def models(place):
    return {path: path.stat().st_mtime_ns for path in (place / "out" / "runs").rglob("*/*.pt")}


@pytest.fixture(autouse=True)
def threads():
    """`--threads` holds for the process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", EXHIBITS)
def test_each_is_made_and_a_second_call_trains_nothing(place, capsys, caplog, name):
    assert paper(place, name) == 0
    printed = capsys.readouterr().out
    assert f"{name}.png and .csv" in printed
    (table,) = [block for block in printed.split("\n\n") if block.startswith("|")]
    assert len({line.count("|") for line in table.splitlines()}) == 1
    assert imread(place / "out" / f"{name}.png").shape[2] == 4
    rows, labels = rows_of(place, name), EXHIBITS[name][2]
    if labels:
        assert [row["label"] for row in rows] == labels
    assert {row["seed"] for row in rows} == {"0"}
    before = models(place)
    with caplog.at_level(logging.INFO):
        assert paper(place, name) == 0
    assert models(place) == before
    assert "there already" in caplog.text and "(lr " not in caplog.text
    assert capsys.readouterr().out == printed
    assert not list((place / "out").rglob("*.tmp*")) and not list((place / "out").rglob("last.ckpt"))


def test_the_papers_numbers_stand_beside(place, capsys):
    paper(place, "table3")
    printed = capsys.readouterr().out
    assert "| ANN that is converted |" in printed and "| 0.00667 | +0.00000 |" in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("| SNN, N_s = 1 |")]
    assert line.endswith("| 0.04032 | +0.03365 |")
    paper(place, "table2")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| 4 bits |")]
    assert line.endswith("| 99.29 | -0.03 |")


def test_the_fair_ann_is_trained_as_long_as_both(place):
    paper(place, "table3")
    converted, longer, *spiking = rows_of(place, "table3")
    assert (converted["epochs"], longer["epochs"]) == ("2", "42")
    assert [row["num_steps"] for row in spiking] == ["4", "1"] and all(float(row["mse"]) > 0 for row in spiking)
    assert float(spiking[0]["synops_ratio"]) > float(spiking[1]["synops_ratio"]) > 0


def test_seeds_are_rows_and_a_mean(place, capsys):
    assert paper(place, "fig8", "--seeds", "0,1") == 0
    assert {row["seed"] for row in rows_of(place, "fig8")} == {"0", "1"}
    assert "±" in capsys.readouterr().out
    assert paper(place, "table2", "--seeds", "0,1", "--bits", "0") == 0
    rows = rows_of(place, "table2")
    assert [(row["label"], row["seed"]) for row in rows] == [("float", "0"), ("float", "1")]
    mean = sum(float(row["top1_percent"]) for row in rows) / 2
    assert f"| float | {mean:.2f} ± " in capsys.readouterr().out


def test_a_changed_configuration_trains_anew_and_shares_the_ann(place):
    assert paper(place, "fig5") == 0
    before = models(place)
    assert paper(place, "fig5", "--set", "ptl.num_steps=3") == 0
    (new,) = models(place).keys() - before.keys()
    assert new.parent.name == "ptl" and new.parents[1].name.startswith("mnist-mnist_cnn-ptl-Ns3-seed0-")
    assert paper(place, "fig5", "--set", "ann.lr=0.002") == 0
    assert {path.parent.name for path in models(place).keys() - before.keys() - {new}} == {"ann", "ptl"}


def test_curves_have_a_row_an_epoch(place):
    assert paper(place, "fig5") == 0
    ptl = [row for row in rows_of(place, "fig5") if row["method"] == "ptl"]
    assert [row["ptl_stage"] for row in ptl] == [f"{n}.0" for n in range(1, 7)]  # six layers, one epoch each


def test_histograms_hold_every_activation(place):
    assert paper(place, "fig1") == 0
    rows = rows_of(place, "fig1")
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    assert layers == ["1: conv 4", "2: conv 8", "3: conv 8", "4: conv 16", "5: dense 200"]
    first = [row for row in rows if row["layer"] == layers[0]]
    assert sum(int(row["count"]) for row in first) == 18 * 4 * 12 * 12  # one batch
    assert float(first[0]["percentile_99"]) <= float(first[0]["percentile_99.9"]) <= float(first[0]["largest"])


def test_some_of_the_test_images_are_of_all_classes(place):
    data = VisionData(place / "data", Config().data)
    ((_, labels),) = data.test_dataloader(9)
    assert len(labels) == 9 and set(labels.tolist()) == set(range(CLASSES))
    ((_, labels),) = data.test_dataloader(1000)
    assert len(labels) == COUNTS[1]


def test_pairs_lie_side_by_side():
    images = np.linspace(0, 0.5, 6 * 4).reshape(6, 1, 2, 2)
    canvas = pair_canvas(images, images + 0.5)
    assert canvas.shape == (5, 24, 1)  # two rows, five pairs across, a pixel between
    assert np.allclose(canvas[3:, 0:2, 0], images[5, 0]) and np.allclose(canvas[3:, 2:4, 0], images[5, 0] + 0.5)
    assert (canvas[2] == 1).all() and (canvas[3:, 4:] == 1).all()


def changed(section, **values):
    config = Config()
    return dataclasses.replace(config, **{section: dataclasses.replace(getattr(config, section), **values)})


@pytest.mark.parametrize(
    ("section", "values", "decided"),
    [
        ("ann", {"max_epochs": 7}, {"ann", "ptl", "rate", "primitive"}),
        ("snn", {"max_epochs": 7}, {"ptl"}),
        ("end_to_end", {"max_epochs": 7}, {"tandem", "surrogate", "lif"}),
        ("ptl", {"patience": 7}, {"ptl"}),
        ("ptl", {"num_steps": 7}, {"ptl", "tandem", "surrogate", "lif", "primitive"}),
        ("ptl", {"weight_bits": 7}, {"ptl", "primitive"}),
        ("baselines", {"lif_decay": 0.7}, {"lif"}),
        ("baselines", {"rate_steps": 7}, {"rate"}),
        ("data", {"num_workers": 7}, set()),
        ("data", {"batch_size": 7}, {"ann", "ptl", "tandem", "surrogate", "lif", "rate", "primitive"}),
    ],
)
def test_a_run_is_decided_by_what_its_method_reads(section, values, decided):
    methods = ("ann", "ptl", "tandem", "surrogate", "lif", "rate", "primitive")
    other = changed(section, **values)
    assert {method for method in methods if deciding(method, Config()) != deciding(method, other)} == decided


def test_a_baseline_that_starts_from_the_ann_depends_on_it():
    plain = changed("baselines", pretrained=True)
    other = dataclasses.replace(plain, ann=dataclasses.replace(plain.ann, max_epochs=7))
    assert deciding("tandem", plain) != deciding("tandem", other)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("table3", ("--set", "model.network=mnist_cnn"), "table3 needs autoencoder"),
        ("table1", ("--set", "model.network=autoencoder"), "table1 needs a classifier"),
        ("fig5", ("--bits", "4"), "--bits found, which fig5 does not have; it has none"),
        ("fig4", ("--networks", "vgg99"), "'vgg99' found"),
        ("fig4", ("--num-steps", "1,2"), "fig4 takes one"),
        ("table2", ("--bits", "99"), "weight_bits"),
        ("fig5", ("--set", "snn.max_epochs=2"), "mnist-mnist_cnn-ptl-Ns4-seed0"),
    ],
)
def test_errors_are_one_line(place, capsys, name, options, message):
    assert paper(place, name, *options) == 1
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith("spiking-tasnet paper: error: ") and message in line


def test_lists_are_checked(place, capsys):
    with pytest.raises(SystemExit):
        paper(place, "fig5", "--seeds", "one")
    assert "integers with commas expected" in capsys.readouterr().err

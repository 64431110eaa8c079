"""The report of a vision experiment: every number from its files, what is missing said, curves as they happened."""

import csv
import logging
import shutil

import pytest
from tiny_images import tiny_data

from spiking_tasnet.cli.main import main
from spiking_tasnet.config import read_config
from spiking_tasnet.files import read_json, write_json
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.curves import draw_curves
from spiking_tasnet.vision.evaluate import evaluate_all
from spiking_tasnet.vision.report import load_experiment, results_markdown
from spiking_tasnet.vision.train import run_method

SETTINGS = ["model.width=0.2", "data.batch_size=16", "ann.max_epochs=2", "snn.max_epochs=8", "end_to_end.max_epochs=3"]
SETTINGS += ["ptl.num_steps=8", "ptl.patience=1", "ptl.max_epochs_per_stage=1", "ptl.threshold_batches=2"]
SETTINGS += ["baselines.rate_steps=80", "baselines.rate_images=8"]


AUTOENCODER = ["model.network=autoencoder", "ptl.weight_bits=6", "ptl.fan_in=50", "data.limit_test=12"]


def experiment(folder, methods, *changes):
    data, exp = tiny_data(folder), folder / "tiny"
    for method in methods:
        run_method(method, read_config(Config, None, [*SETTINGS, *changes]), data, exp)
    evaluate_all(data, exp)
    return data, exp


@pytest.fixture(scope="module")
def classified(tmp_path_factory):
    methods = ("ann", "ptl", "tandem", "rate", "primitive")
    return experiment(tmp_path_factory.mktemp("classifier"), methods)


@pytest.fixture(scope="module")
def reconstructed(tmp_path_factory):
    return experiment(tmp_path_factory.mktemp("autoencoder"), ("ann", "ptl"), *AUTOENCODER)


@pytest.fixture
def copied(classified, tmp_path):
    return classified[0], shutil.copytree(classified[1], tmp_path / "tiny")


def report(data, exp):
    return main(["vision-report", "--data", str(data), "--exp", str(exp)])


def rows_of(text, first):
    """Cells of the Markdown table whose header begins with `first`, by their first cell."""
    block = next(block for block in text.split("\n\n") if block.startswith(f"| {first} |"))
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
    assert len({len(line) for line in lines}) == 1
    return lines[0], {line[0]: line[1:] for line in lines[2:]}


def test_all_files_are_written(copied, capsys):
    data, exp = copied
    assert report(data, exp) == 0
    names = ["RESULTS.md", "results.csv", "curves.png"]
    assert capsys.readouterr().out.split() == [str(exp / name) for name in names]
    assert (exp / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not list(exp.rglob("*.tmp*"))
    results = read_json(exp / "results.json")
    with (exp / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == list(results) == ["ann", "ptl", "tandem", "rate", "primitive"]
    for row in rows:
        found = results[row["method"]]
        for key in ("top1", "top5", "num_steps", "images", "epochs"):
            assert float(row[key]) == found[key]
        for key in ("synops", "synops_ratio", "snn_energy_j", "power_proxy"):
            assert float(row[key]) == found["cost"]["total"][key]


def test_markdown_holds_the_results(classified):
    data, exp = classified
    text, results = results_markdown(load_experiment(data, exp)), read_json(exp / "results.json")
    header, rows = rows_of(text, "")
    assert header[2:] == ["N_s", "top-1 (%)", "top-5 (%)", "minus ANN (points)", "epochs", "hours"]
    ann = results["ann"]["top1"]
    for name, method in (("ANN", "ann"), ("PTL", "ptl"), ("tandem learning", "tandem"), ("rate coding", "rate")):
        cells = rows[name]
        assert cells[2] == f"{100 * results[method]['top1']:.2f}"
        assert cells[4] == ("–" if method == "ann" else f"{round(100 * (results[method]['top1'] - ann), 2) + 0.0:+.2f}")
        assert cells[5] == ("–" if method == "rate" else str(results[method]["epochs"]))
    assert [rows[name][1] for name in ("ANN", "PTL", "rate coding", "no training")] == ["–", "8", "80", "8"]
    assert "Of the test images only 8 were given to rate coding." in text
    assert rows_of(text, "rate coding, steps")[0][1:] == ["32", "64", "80"]
    assert f"PTL names {100 * results['ptl']['top1']:.2f} % of the test images with N_s = 8" in text

    cells = rows_of(text, "per image")[1]
    total = results["ptl"]["cost"]["total"]
    assert cells["PTL"][1:3] == [f"{total['synops'] / 1e6:.3f}", f"{total['synops_ratio']:.3f}"]
    assert cells["PTL"][5] == f"{total['snn_energy_j'] * 1e6:.2f}"
    assert cells["ANN"][1:5] == ["–"] * 4
    layers = rows_of(text, "layer (PTL)")[1]
    assert len(layers) == 6
    for layer in results["ptl"]["cost"]["layers"]:
        assert layers[layer["layer"]][-1] == f"{100 * layer['firing_rate']:.1f}"
    assert rows_of(text, "firing rate (%)")[0][1:] == ["PTL", "tandem learning", "rate coding", "no training"]

    stages = rows_of(text, "stage")[1]
    assert [cells[0] for cells in stages.values()] == [row["layer"] for row in read_json(exp / "ptl" / "stages.json")]
    for fact in ("4.6 pJ a MAC", "0.9 pJ an accumulate", "Horowitz", "10 x neuron updates", "| seed | 0 |", "torch "):
        assert fact in text
    assert "on mnist (1x12x12 pixels, 60 training and 20 test images)" in text
    assert "Network `mnist_cnn` (0.2 times its channels)" in text
    assert "PTL: T_p = 1, thresholds at the 99.9th percentile; its epochs" in text


def test_no_place_of_the_machine_is_in_the_report(copied):
    data, exp = copied
    run = read_json(exp / "ptl" / "run.json")
    write_json(exp / "ptl" / "run.json", run | {"command": "spiking-tasnet vision-train --data /home/me/data"})
    report(data, exp)
    text = (exp / "RESULTS.md").read_text()
    assert "`spiking-tasnet vision-train --data data`" in text and "/home/" not in text and str(data) not in text


def test_reconstruction_is_judged_by_its_error(reconstructed):
    data, exp = reconstructed
    assert report(data, exp) == 0
    text, results = (exp / "RESULTS.md").read_text(), read_json(exp / "results.json")
    header, rows = rows_of(text, "")
    assert header[2:5] == ["N_s", "MSE", "times the ANN's"]
    ratio = f"{results['ptl']['mse'] / results['ann']['mse']:.2f}"
    assert rows["PTL"][2:4] == [f"{results['ptl']['mse']:.5f}", ratio]
    assert f"{ratio} times the ANN's" in text
    assert "MSE on the validation images" in text
    assert "Of the test images only 12 were given to ANN, PTL." in text
    assert "weights and biases of 6 bits, one scale per layer, at most 50 inputs per neuron; its epochs" in text


def test_the_ann_alone_can_be_reported(copied):
    data, exp = copied
    for method in ("ptl", "tandem", "rate", "primitive"):
        shutil.rmtree(exp / method)
    write_json(exp / "results.json", {"ann": read_json(exp / "results.json")["ann"]})
    assert report(data, exp) == 0
    text = (exp / "RESULTS.md").read_text()
    assert "stage by stage" not in text and "| ANN |" in text


def test_what_was_trained_after_the_test_is_told(copied, caplog):
    data, exp = copied
    results = read_json(exp / "results.json")
    del results["tandem"]
    write_json(exp / "results.json", results)
    with caplog.at_level(logging.WARNING):
        assert report(data, exp) == 0
    assert "tandem was trained but not tested: run stage 4 again" in caplog.text
    assert "| tandem learning |" not in (exp / "RESULTS.md").read_text()


@pytest.mark.parametrize(
    ("missing", "stage"),
    [
        ("results.json", "stage 4 (vision-test) makes it"),
        ("ptl/stages.json", "stage 2 makes it"),
        ("ann/history.csv", "the stage that trains it (1 to 3) makes it"),
        ("tandem/run.json", "the stage that trains it (1 to 3) makes it"),
    ],
)
def test_missing_input_names_the_stage_that_makes_it(copied, capsys, missing, stage):
    data, exp = copied
    (exp / missing).unlink()
    assert report(data, exp) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert missing in line and stage in line
    assert not (exp / "RESULTS.md").exists()


def test_damaged_input_is_one_line(copied, capsys):
    data, exp = copied
    history = exp / "ann" / "history.csv"
    for text, message in (("epoch,ptl_stage\n1,x\n", "a cell that is no number"), ("epoch\n", "no epoch found")):
        history.write_text(text)
        assert report(data, exp) == 1
        assert message in capsys.readouterr().err
    write_json(exp / "results.json", {"magic": {}})
    assert report(data, exp) == 1
    assert "run stage 4 again" in capsys.readouterr().err
    assert report(data / "nowhere", exp) == 1
    assert "stage 0 makes it" in capsys.readouterr().err


def epochs(count, stage=0, start=0.5):
    return [
        {"epoch": n, "ptl_stage": stage, "val_loss": start / n, "val_accuracy": 1 - start / n}
        for n in range(1, count + 1)
    ]


def lines_of(figure):
    (axes,) = figure.axes
    return axes, {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def test_curves_run_through_ann_and_ptl_and_baselines_start_where_they_do():
    histories = {"ann": epochs(3), "ptl": [*epochs(2, 1), *epochs(1, 2)], "tandem": epochs(8)}
    axes, lines = lines_of(draw_curves(histories, [], read_config(Config, None)))
    assert [x for x, _ in lines["ANN, then PTL"]] == [1, 2, 3, 4, 5, 6]
    assert lines["ANN, then PTL"][0] == [1, 50]
    assert [x for x, _ in lines["tandem learning"]] == list(range(1, 9))
    assert len(axes.patches) == 2 and axes.get_xlim() == (0.5, 8.5)
    axes, lines = lines_of(draw_curves(histories, [], read_config(Config, None, ["baselines.pretrained=true"])))
    assert [x for x, _ in lines["tandem learning"]] == list(range(4, 12))
    assert axes.get_xlim() == (0.5, 11.5)


def test_errors_right_after_conversion_are_marked():
    stages = [{"ptl_stage": 1, "val_loss_converted": 0.7}, {"ptl_stage": 2, "val_loss_converted": 0.6}]
    histories = {"ann": epochs(3), "ptl": [*epochs(2, 1), *epochs(1, 2)]}
    settings = read_config(Config, None, ["model.network=autoencoder"])
    axes, lines = lines_of(draw_curves(histories, stages, settings))
    assert lines["right after conversion"] == [[3.5, 0.7], [5.5, 0.6]]
    assert axes.get_yscale() == "log"
    _, lines = lines_of(draw_curves(histories, stages, read_config(Config, None)))  # losses are no accuracies
    assert "right after conversion" not in lines

"""The separator through its trainings: ANN, progressive tandem learning, separation of a set."""

import contextlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from tiny_corpus import write_corpus

from spiking_tasnet.cli.main import main
from spiking_tasnet.separation.audio.files import read_mono, write_audio
from spiking_tasnet.separation.config import DataConfig
from spiking_tasnet.separation.corpora.kaldi import read_data_dir
from spiking_tasnet.separation.corpora.merl import MerlSpec, build_mixtures
from spiking_tasnet.separation.data import SeparationData
from spiking_tasnet.separation.network import load_model
from spiking_tasnet.snn import convertible_layers
from spiking_tasnet.training import loader_faults

CONFIG = """
model: {n_filters: 16, kernel_size: 16, stride: 8, bn_chan: 8, hid_chan: 8, n_blocks: 2}
data: {segment: 0.5, batch_size: 4, num_workers: 0}
ann: {max_epochs: 2, lr: 0.005}
snn: {max_epochs: 12, lr: 0.002}
ptl: {patience: 1, max_epochs_per_stage: 3, num_steps: 16, threshold_batches: 1}
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    root = write_corpus(tmp_path_factory.mktemp("corpus"), {"tr": 12, "cv": 2, "tt": 2})
    build_mixtures(MerlSpec(root, root, root / "data"), jobs=1)
    return root / "data"


def arguments(data_dir, exp, *more):
    config = exp.parent / "tiny.yaml"
    config.write_text(CONFIG)
    # One thread: sums in another order would end in other weights, and earlier tests may have set another number.
    return ["--config", str(config), "--data", str(data_dir), "--exp", str(exp), "--threads", "1", *more]


@pytest.fixture(scope="module")
def exp(data_dir, tmp_path_factory):
    exp = tmp_path_factory.mktemp("work") / "exp"
    assert main(["train", *arguments(data_dir, exp)]) == 0
    assert main(["convert", *arguments(data_dir, exp)]) == 0
    return exp


def test_what_a_training_leaves(exp):
    for system, network in (("ann", load_model(exp / "ann/model.pt")), ("snn", load_model(exp / "snn/model.pt"))):
        assert network.is_spiking == (system == "snn")
        facts = json.loads((exp / system / "run.json").read_text())
        rows = (exp / system / "history.csv").read_text().splitlines()
        assert rows[0] == "epoch,ptl_stage,train_loss,val_loss,lr,seconds"
        assert facts["epochs"] == len(rows) - 1 and facts["train_mixtures"] == 12
        assert facts["parameters"] == sum(p.numel() for p in network.parameters())
        assert (exp / system / "config.yaml").exists() and (exp / system / "last.ckpt").exists()


def test_the_separator_goes_through_every_stage(exp):
    stages = json.loads((exp / "snn/stages.json").read_text())
    assert [stage["role"] for stage in stages] == ["encoding", "spiking", "readout"]
    network = load_model(exp / "snn/model.pt")
    assert list(convertible_layers(network)) == [stage["layer"] for stage in stages]
    for number, stage in enumerate(stages, start=1):
        assert stage["ptl_stage"] == number and stage["epochs"] >= 1
        assert stage["val_loss_best"] <= stage["val_loss_converted"]
    for before, after in zip(stages, stages[1:], strict=False):
        assert after["val_loss_before"] == before["val_loss_best"]  # the best state is what the next stage starts from
    thresholds = [layer.threshold[0].item() for layer in convertible_layers(network).values()]
    assert thresholds[:2] == pytest.approx([stage["threshold"] for stage in stages[:2]])
    assert [stage["threshold"] * 16 for stage in stages] == pytest.approx([stage["act_max"] for stage in stages])


def test_two_processes_measure_what_one_does_and_leave_the_same_files(exp, data_dir, tmp_path):
    shutil.copytree(exp / "ann", tmp_path / "exp/ann")
    words = arguments(data_dir, tmp_path / "exp", "--set", "train.devices=2", "--set", "snn.max_epochs=3")
    words += ["--set", "ptl.max_epochs_per_stage=1"]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "spiking_tasnet", "convert", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "exp/snn/model.pt")]
    assert done.stderr.count("PTL stage 1 of 3") == 1
    one, two = (json.loads((folder / "snn/stages.json").read_text())[0] for folder in (exp, tmp_path / "exp"))
    for key in ("threshold", "val_loss_before", "val_loss_converted"):
        assert two[key] == pytest.approx(one[key], rel=1e-4), key
    assert load_model(tmp_path / "exp/snn/model.pt").is_spiking
    files = [sorted(path.name for path in (folder / "snn").iterdir()) for folder in (exp, tmp_path / "exp")]
    assert files[0] == files[1]


def test_separate_set(exp, data_dir, tmp_path):
    out, cost_file = tmp_path / "out", tmp_path / "cost.json"
    command = ["separate-set", "--data", str(data_dir / "tt"), "--model", str(exp / "snn"), "--out", str(out)]
    assert main([*command, "--cost", str(cost_file)]) == 0
    seconds = 0.0
    for utterance in read_data_dir(data_dir / "tt"):
        mixture, rate = read_mono(utterance.mixture)
        seconds += len(mixture) / rate
        for place in (1, 2):
            samples, _ = read_mono(out / f"s{place}" / f"{utterance.id}.wav", rate)
            assert len(samples) == len(mixture) and samples.any()
    cost = json.loads(cost_file.read_text())
    assert cost["audio_seconds"] == pytest.approx(seconds) and cost["num_steps"] == 16
    total, layers = cost["total"], cost["layers"]
    assert total["ann_macs_per_s"] == pytest.approx(sum(layer["macs_per_s"] for layer in layers))
    assert 0 < total["snn_synops_per_s"] < 16 * total["separator_ann_macs_per_s"]
    assert total["synops_ratio"] == pytest.approx(total["snn_synops_per_s"] / total["separator_ann_macs_per_s"])


def killed_after_an_epoch(command, checkpoint):
    """Kill a training with SIGKILL as soon as it has ended an epoch."""
    process = subprocess.Popen([sys.executable, "-m", "spiking_tasnet", *command], stderr=subprocess.DEVNULL)
    history = checkpoint.parent / "history.csv"
    while process.poll() is None and not (checkpoint.exists() and history.exists()):
        time.sleep(0.002)
    process.kill()
    return process.wait()


def test_a_killed_conversion_goes_on_to_the_same_result(exp, data_dir, tmp_path, monkeypatch):
    again = tmp_path / "exp"
    (again / "ann").mkdir(parents=True)
    (again / "ann" / "model.pt").write_bytes((exp / "ann" / "model.pt").read_bytes())
    command = ["convert", *arguments(data_dir, again)]
    assert killed_after_an_epoch(command, again / "snn" / "last.ckpt") == -9
    assert not (again / "snn" / "model.pt").exists()
    assert main(command) == 0
    expected, found = (torch.load(e / "snn/model.pt", weights_only=True)["state_dict"] for e in (exp, again))
    for name, value in expected.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(found[name], value, rtol=0, atol=0, msg=name)
    assert json.loads((again / "snn/stages.json").read_text()) == json.loads((exp / "snn/stages.json").read_text())


def failure(capsys, *command):
    assert main([*command]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if ": error: " in line]
    assert len(lines) == 1
    return lines[0]


def test_mistakes(data_dir, tmp_path, capsys, exp):
    work = tmp_path / "exp"
    assert "run stage 1 first" in failure(capsys, "convert", *arguments(data_dir, work))
    options = arguments(data_dir, work, "--set", "ann.speed=3")
    assert "unknown key 'speed' found" in failure(capsys, "train", *options)
    assert "stage 0" in failure(capsys, "train", *arguments(tmp_path, work))
    assert not (work / "ann" / "model.pt").exists()
    other = ["convert", *arguments(data_dir, exp, "--set", "model.n_blocks=3")]
    assert "other sizes found" in failure(capsys, *other)
    short = arguments(data_dir, work, "--set", "snn.max_epochs=1")
    (work / "ann").mkdir(parents=True)
    (work / "ann/model.pt").write_bytes((exp / "ann/model.pt").read_bytes())
    assert "PTL stages done when snn.max_epochs = 1" in failure(capsys, "convert", *short)
    assert not (work / "snn/model.pt").exists()


def test_a_dead_layer_is_named(data_dir, tmp_path, capsys, exp):
    work = tmp_path / "exp"
    (work / "ann").mkdir(parents=True)
    contents = torch.load(exp / "ann/model.pt", weights_only=True)
    (bias,) = (name for name in contents["state_dict"] if name.startswith("separator.1.") and "norm.bias" in name)
    contents["state_dict"][bias] -= 1e3
    torch.save(contents, work / "ann/model.pt")
    message = failure(capsys, "convert", *arguments(data_dir, work))
    assert "separator.1' is dead" in message and not (work / "snn/model.pt").exists()


def test_a_network_that_diverges_says_so(data_dir, tmp_path, capsys):
    options = arguments(data_dir, tmp_path / "exp", "--set", "ann.lr=1e30", "--set", "ann.clip_norm=1e30")
    assert "lower the learning rate" in failure(capsys, "train", *options)


def test_losses_are_si_sdr_in_db(exp):
    rows = [line.split(",") for line in (exp / "ann/history.csv").read_text().splitlines()[1:]]
    assert all(math.isfinite(float(row[3])) and -30 < float(row[3]) < 60 for row in rows)


def test_audio_of_another_rate_is_refused(exp, data_dir, tmp_path, capsys):
    from dataclasses import replace

    from spiking_tasnet.separation.corpora.kaldi import write_data_dir

    (utterance, _) = read_data_dir(data_dir / "tt")
    write_audio(tmp_path / "fast.wav", read_mono(utterance.mixture)[0], 16000)
    write_data_dir(tmp_path / "tt", [replace(utterance, mixture=tmp_path / "fast.wav")])
    command = ["separate-set", "--data", str(tmp_path / "tt"), "--model", str(exp / "ann"), "--out", str(tmp_path)]
    assert "16000 Hz found, 8000 Hz expected" in failure(capsys, *command)


def test_an_experiment_of_other_settings_is_refused_and_the_same_goes_on(exp, data_dir, tmp_path, capsys):
    work = shutil.copytree(exp, tmp_path / "exp")
    before = {path: path.read_bytes() for path in work.rglob("*.*")}
    told = failure(capsys, "train", *arguments(data_dir, work, "--seed", "3", "--set", "ann.lr=0.1"))
    differs = "ann.lr 0.005 there, 0.1 here; seed 0 there, 3 here"
    assert told == (
        f"spiking-tasnet train: error: {work}/ann: trained with other settings ({differs}); give another --exp, or "
        f"remove {work}/ann to train anew (run.sh: --force)"
    )
    told = failure(capsys, "convert", *arguments(data_dir, work, "--set", "ptl.num_steps=8"))
    assert f"{work}/snn: trained with other settings (ptl.num_steps 16 there, 8 here)" in told
    assert before == {path: path.read_bytes() for path in work.rglob("*.*")}
    assert main(["train", *arguments(data_dir, work, "--set", "data.num_workers=1", "--set", "ptl.num_steps=8")]) == 0
    expected, found = (torch.load(e / "ann/model.pt", weights_only=True)["state_dict"] for e in (exp, work))
    assert all(torch.equal(found[name], value) for name, value in expected.items() if isinstance(value, torch.Tensor))


def test_other_data_or_another_ann_are_refused(exp, data_dir, tmp_path, capsys):
    work = shutil.copytree(exp, tmp_path / "exp")
    moved = shutil.copytree(data_dir, tmp_path / "moved")
    assert main(["train", *arguments(moved, work)]) == 0  # the same mixtures in another place
    shutil.rmtree(moved / "cv")
    shutil.copytree(moved / "tt", moved / "cv")
    assert "(another data)" in failure(capsys, "train", *arguments(moved, work))
    shutil.rmtree(work / "ann")
    assert main(["train", *arguments(data_dir, work, "--set", "ann.lr=0.001")]) == 0
    assert "(another ANN)" in failure(capsys, "convert", *arguments(data_dir, work))


def test_a_network_that_is_not_finite_is_refused(exp, data_dir, tmp_path, capsys):
    contents = torch.load(exp / "ann/model.pt", weights_only=True)
    contents["state_dict"]["mask.bias"][0] = float("nan")
    (tmp_path / "exp/ann").mkdir(parents=True)
    torch.save(contents, tmp_path / "exp/ann/model.pt")
    assert "mask.bias holds NaN" in failure(capsys, "convert", *arguments(data_dir, tmp_path / "exp"))


LONG = ("--set", "ann.max_epochs=100000", "--set", "ann.stop_after=100000", "--set", "data.num_workers=2")


def processes_of(group):
    found = subprocess.run(["ps", "-o", "pid=", "-g", str(group)], capture_output=True, text=True).stdout
    return [int(pid) for pid in found.split()]


@pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps")
@pytest.mark.parametrize("first", ["all", "loaders"])
def test_sigterm_to_a_training_with_loaders_ends_all_of_it(first, data_dir, tmp_path):
    """To every process of the job, as a scheduler sends it, perhaps to the loaders first; stderr is a file."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "spiking_tasnet",
        "train",
        *arguments(data_dir, tmp_path / "exp", *LONG),
    ]
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def wait_for_lines(count):
        while process.poll() is None and len((tmp_path / "log").read_text().splitlines()) < count:
            time.sleep(0.05)

    wait_for_lines(3)
    if first == "loaders":
        for _ in range(20):  # some while they are being started, some while they end
            for pid in set(processes_of(process.pid)) - {process.pid}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        wait_for_lines(6)  # the training goes on
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(timeout=600) == 128 + signal.SIGTERM
    assert processes_of(process.pid) == []
    text = (tmp_path / "log").read_text()
    assert "Traceback" not in text and "\r" not in text and "%|" not in text  # no frame of a bar
    assert all(re.match(r"\d\d:\d\d:\d\d \S+: epoch \d+: ", line) for line in text.splitlines()[:3])


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_source_that_is_gone_during_a_training_is_named(workers, data_dir, tmp_path):
    spoilt = shutil.copytree(data_dir, tmp_path / "data")
    for listed in (spoilt / "tr").glob("*.scp"):
        listed.write_text(listed.read_text().replace(str(data_dir), str(spoilt)))
    data = SeparationData(spoilt, DataConfig(segment=0.5, batch_size=4, num_workers=workers), 8000)
    for path in (spoilt / "wav8k/min/tr/s1").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"^\S+/data/wav8k/min/tr/s1/\S+.wav: cannot be read .*; run stage 0 again$"):
        with loader_faults():
            list(data.train_dataloader())

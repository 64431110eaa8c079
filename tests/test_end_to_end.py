"""Every stage of the recipes' run.sh for real, on corpora of a few seconds."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_corpus import write_corpus
from tiny_librispeech import write_librispeech

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
CONFIG = """
model: {n_filters: 16, kernel_size: 16, stride: 8, bn_chan: 8, hid_chan: 8, n_blocks: 2}
data: {segment: 0.5, batch_size: 4, num_workers: 0}
ann: {max_epochs: 1}
snn: {max_epochs: 4}
ptl: {patience: 1, max_epochs_per_stage: 1, threshold_batches: 1}
"""


def run(folder, *options, run_sh="recipes/wsj0-2mix/run.sh"):
    command = ["bash", str(ROOT / run_sh), "--data-dir", "data", "--exp-dir", "exp", "--config", "tiny.yaml", *options]
    environment = os.environ | {"SPIKING_TASNET_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All stages, run once."""
    folder = tmp_path_factory.mktemp("recipe")
    write_corpus(folder / "corpus", {"tr": 8, "cv": 2, "tt": 3}, seconds=1.0)
    (folder / "tiny.yaml").write_text(CONFIG)
    done = run(folder, "--stage", "0", "--wsj0", "corpus", "--mix-lists", "corpus", "--limit", "6", "--jobs", "1")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return folder


@pytest.mark.slow
def test_all_stages_leave_their_results(folder):
    exp = folder / "exp" / "tiny"
    assert len((folder / "data/tr/wav.scp").read_text().splitlines()) == 6
    results = json.loads((exp / "results.json").read_text())
    assert set(results) == {"open", "closed"}
    for condition, count in (("open", 3), ("closed", 2)):
        assert set(results[condition]) == {"mixture", "ann", "snn"}
        for system in results[condition].values():
            overall = system["overall"]
            assert overall["n"] == count and set(system) <= {"diff", "same", "overall"}
            assert math.isfinite(overall["si_sdr"]) and {"si_sdr_i", "pesq", "stoi"} <= set(overall)
        assert results[condition]["mixture"]["overall"]["si_sdr_i"] == 0
    report = (exp / "RESULTS.md").read_text()
    assert "right after conversion" in report and "| 3 | separator.2 | readout |" in report
    assert str(folder) not in report
    assert (exp / "curves.png").stat().st_size > 5000
    page = (exp / "demo" / "index.html").read_text()
    assert page.count("<audio") >= 7 and "http" not in page.replace("http://www.w3.org", "")
    for stage in range(1, 6):
        assert (exp / ".done" / f"stage{stage}").exists() and (exp / "log" / f"stage{stage}.log").stat().st_size


@pytest.mark.slow
def test_a_second_run_skips_all(folder):
    before = {path: path.stat().st_mtime_ns for path in (folder / "exp").rglob("*.*") if path.is_file()}
    done = run(folder, "--wsj0", "corpus", "--mix-lists", "corpus", "--limit", "6")
    assert done.returncode == 0 and done.stdout.count("skipped; --force does it again") == 6
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.slow
def test_the_result_separates_a_file(folder):
    mixture = sorted((folder / "data/wav8k/min/tt/mix").iterdir())[0]
    command = [sys.executable, str(ROOT / "separate.py"), str(mixture), "-o", "out", "--model", "exp/tiny"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "model: exp/tiny (spiking)" in done.stderr
    assert sorted(path.name for path in (folder / "out").iterdir()) == [f"{mixture.stem}_s{n}.wav" for n in (1, 2)]


@pytest.mark.slow
def test_libri2mix_with_noise_at_16_khz(tmp_path):
    write_librispeech(tmp_path, {"train-clean-100": 8, "dev-clean": 2, "test-clean": 3})
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    corpus = ("--librispeech", "LibriSpeech", "--metadata", "metadata", "--wham", "wham_noise")
    options = (*corpus, "--train-set", "train-100", "--sample-rate", "16000", "--mode", "max", "--jobs", "1")
    done = run(tmp_path, *options, run_sh="recipes/libri2mix/run.sh")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    exp = tmp_path / "exp" / "tiny"
    results = json.loads((exp / "results.json").read_text())
    assert math.isfinite(results["open"]["snn"]["overall"]["si_sdr_i"])
    assert results["open"]["mixture"]["overall"]["n"] == 3
    assert "Closed: dev set, talkers not heard in training either" in (exp / "RESULTS.md").read_text()
    assert len(list((tmp_path / "data/wav16k/max/test/mix_both").iterdir())) == 3


@pytest.mark.slow
def test_a_failure_inside_a_stage_is_one_line_and_no_marker(folder):
    """The checkpoint of another network in stage 3."""
    exp = folder / "exp" / "other"
    shutil.copytree(folder / "exp" / "tiny", exp)
    (exp / ".done" / "stage3").unlink()
    (exp / "snn" / "model.pt").write_text("something else")
    done = run(folder, "--stage", "3", "--name", "other")
    assert done.returncode == 1 and not (exp / ".done" / "stage3").exists()
    errors = [line for line in (done.stdout + done.stderr).splitlines() if ": error: " in line]
    assert "not a model file" in errors[0] and "stage 3 failed" in errors[1] and "Traceback" not in done.stdout

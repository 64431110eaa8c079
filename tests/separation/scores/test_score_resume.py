"""Scoring that is killed goes on where it stopped; what changed since is scored again."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tiny_experiment import GENDERS, NOISE, write_estimates, write_subset

from spiking_tasnet.cli.main import main
from spiking_tasnet.separation.scores import score_set as score_module
from spiking_tasnet.separation.scores.score_set import score_set


@pytest.fixture
def scene(tmp_path):
    """A data folder of eight mixtures and estimates of them."""
    utterances = write_subset(tmp_path / "data", "tt", np.random.default_rng(1), GENDERS * 2)
    write_estimates(tmp_path / "est", utterances, NOISE["snn"])
    return tmp_path / "data" / "tt", tmp_path / "est", utterances


def command(data, est, out, *more):
    return ["score", *map(str, ("--data", data, "--est", est, "--out", out, *more))]


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_and_run_again_gives_the_same_file(scene, tmp_path, caplog, jobs):
    data, est, utterances = scene
    out, rows = tmp_path / "out.csv", tmp_path / "out.csv.rows"
    words = command(data, est, out, "--jobs", jobs, "--metrics", "pesq")
    process = subprocess.Popen([sys.executable, "-m", "spiking_tasnet", *words], stderr=subprocess.DEVNULL)
    while process.poll() is None and len(lines_of(rows)) < 3:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not out.exists() and 3 <= len(lines_of(rows)) < 1 + len(utterances)
    with caplog.at_level("INFO"):
        assert main(words) == 0
    assert "of 8 mixtures were scored before; going on" in caplog.text
    assert not rows.exists()
    assert main(command(data, est, tmp_path / "again.csv", "--jobs", 1, "--metrics", "pesq")) == 0
    assert out.read_bytes() == (tmp_path / "again.csv").read_bytes()


@pytest.fixture
def counted(monkeypatch):
    """The mixtures that are really scored, in order."""
    names = []
    real = score_module.score_utterance

    def counting(utterance, paths, metrics):
        names.append(utterance.id)
        return real(utterance, paths, metrics)

    monkeypatch.setattr(score_module, "score_utterance", counting)
    return names


def test_only_what_changed_is_scored_again(scene, tmp_path, counted, caplog):
    data, est, utterances = scene
    names = [utterance.id for utterance in utterances]

    def again(est_dir=est, data_dir=data, metrics=("si_sdr",)):
        counted.clear()
        rows = score_set(data_dir, est_dir, metrics, jobs=1, keep=tmp_path / "rows")
        assert [row.utt for row in rows] == names
        return list(counted)

    assert again() == names
    assert again() == []
    estimate = est / "s2" / f"{names[3]}.wav"
    os.utime(estimate, (time.time() + 5,) * 2)
    assert again() == [names[3]]
    os.utime(utterances[5].sources[1], (time.time() + 5,) * 2)
    assert again() == [names[5]]
    assert again(metrics=("si_sdr", "stoi")) == names
    assert again(metrics=("stoi",)) == []  # SI-SDR is always scored: the same columns
    assert again(metrics=("si_sdr",)) == names
    (tmp_path / "other").symlink_to(est)
    assert again(est_dir=tmp_path / "other") == names  # another folder, whatever it holds
    assert again(est_dir=None) == names
    assert again(est_dir=None) == []


def test_rows_that_failed_are_tried_again(scene, tmp_path, counted):
    data, est, utterances = scene
    estimate = est / "s1" / f"{utterances[2].id}.wav"
    good = estimate.read_bytes()
    estimate.write_text("no sound")
    rows = score_set(data, est, ["si_sdr"], jobs=1, keep=tmp_path / "rows")
    assert rows[2].scores["si_sdr"] is None
    estimate.write_bytes(good)
    counted.clear()
    rows = score_set(data, est, ["si_sdr"], jobs=1, keep=tmp_path / "rows")
    assert counted == [utterances[2].id] and rows[2].scores["si_sdr"] is not None


def test_a_process_that_dies_is_one_line_and_costs_one_row(scene, tmp_path, capfd):
    data, est, utterances = scene
    victim, out = utterances[4], tmp_path / "out.csv"
    scp = (data / "wav.scp").read_text()
    kill = f"{shlex.quote(sys.executable)} -c 'import os; os.kill(os.getppid(), 9)' |"
    (data / "wav.scp").write_text(scp.replace(f"../wav8k/min/tt/mix/{victim.id}.wav", kill))
    words = command(data, est, out, "--jobs", 2, "--metrics", "si_sdr")
    assert main(words) == 1
    assert (
        "--allow-pipes of separate-set, score and report runs such commands" in capfd.readouterr().err
        and not out.exists()
    )
    assert main([*words, "--allow-pipes"]) == 1
    error = [line for line in capfd.readouterr().err.splitlines() if ": error: " in line]
    assert len(error) == 1
    assert f"1 of 8 mixtures lost, the first {victim.id}: its process was killed (SIGKILL)" in error[0]
    empty = [line for line in lines_of(out) if line.endswith(",,,")]
    assert len(lines_of(out)) == 9 and len(empty) == 1 and empty[0].startswith(victim.id)
    kept = [json.loads(line) for line in lines_of(tmp_path / "out.csv.rows")]
    assert len(kept) == 1 + 7
    (data / "wav.scp").write_text(scp)
    assert main(words) == 0
    assert not [line for line in lines_of(out) if line.endswith(",,,")]


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2>err"])
def test_a_result_whatever_stderr_is(scene, tmp_path, redirection):
    """Neither a closed nor a full stderr costs the CSV; a file gets lines, not frames of a bar."""
    data, est, utterances = scene
    (est / "s1" / f"{utterances[0].id}.wav").write_text("no sound")
    words = shlex.join(
        [sys.executable, "-m", "spiking_tasnet", *command(data, est, "out.csv", "--metrics", "si_sdr", "--jobs", 2)]
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": "/nonexistent"}
    done = subprocess.run(["bash", "-c", f"{words} {redirection}"], cwd=tmp_path, env=env, stdout=subprocess.PIPE)
    assert done.returncode == 0
    assert len(lines_of(tmp_path / "out.csv")) == 9
    if redirection == "2>err":
        text = (tmp_path / "err").read_text()
        assert "1 of 8 mixtures not scored" in text and "\r" not in text

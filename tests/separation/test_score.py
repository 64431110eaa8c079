"""Scoring a folder: the CSV, its order, every core, and what is wrong with the input."""

import csv
import re
import shutil

import numpy as np
import pytest
from tiny_experiment import NOISE, RATE, speech_like, write_estimates, write_subset

from spiking_tasnet.cli.main import main
from spiking_tasnet.separation.audio import read_mono, write_audio
from spiking_tasnet.separation.metrics import score_mixture
from spiking_tasnet.separation.results import read_scores
from spiking_tasnet.separation.score import count_failures, score_set, write_scores

COLUMNS = ["utt", "group", "genders", "perm", "si_sdr", "si_sdr_i", "sdr", "sdr_i", "pesq", "stoi"]


@pytest.fixture
def scene(tmp_path):
    """A data folder of four mixtures and estimates of them."""
    utterances = write_subset(tmp_path / "data", "tt", np.random.default_rng(1))
    write_estimates(tmp_path / "est", utterances, NOISE["snn"])
    return tmp_path / "data" / "tt", tmp_path / "est", utterances


def run_cli(*words):
    return main(["score", *map(str, words)])


def test_csv_holds_the_scores_in_the_order_of_the_data_folder(scene, tmp_path, capsys):
    data, est, utterances = scene
    out = tmp_path / "scores" / "snn_tt.csv"
    assert run_cli("--data", data, "--est", est, "--out", out, "--jobs", 1) == 0
    assert "4 mixtures, mean si_sdr" in capsys.readouterr().out
    with open(out, newline="") as stream:
        table = list(csv.reader(stream))
    assert table[0] == COLUMNS
    assert [line[0] for line in table[1:]] == [utterance.id for utterance in utterances]
    assert [line[1:4] for line in table[1:]] == [
        ["diff", "M F", "1 0"],
        ["diff", "F M", "1 0"],
        ["same", "M M", "1 0"],
        ["same", "F F", "1 0"],
    ]
    utterance = utterances[2]
    est_sources, sources = (
        np.stack([read_mono(path)[0] for path in paths])
        for paths in ([est / f"s{n}" / f"{utterance.id}.wav" for n in (1, 2)], utterance.sources)
    )
    expected = score_mixture(est_sources, sources, read_mono(utterance.mixture)[0], RATE)
    row = read_scores(out)[2]
    assert row["perm"] == (1, 0)
    for name in COLUMNS[4:]:
        assert row[name] == pytest.approx(expected[name], abs=1e-4)


def test_one_process_and_two_give_the_same_file(scene, tmp_path):
    data, est, _ = scene
    for jobs in (1, 2):
        write_scores(tmp_path / f"{jobs}.csv", score_set(data, est, ["si_sdr", "stoi"], jobs))
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_a_worker_that_fails_names_the_mixture(scene):
    data, est, utterances = scene
    write_audio(utterances[1].sources[0], np.zeros(int(1.5 * RATE), np.float32), RATE)
    with pytest.raises(ValueError, match=rf"{utterances[1].id}: reference 1 is silent"):
        score_set(data, est, ["si_sdr"], jobs=2)


def test_the_mixture_scores_itself(scene, tmp_path):
    data, _, _ = scene
    out = tmp_path / "mixture_tt.csv"
    assert run_cli("--data", data, "--est", "mixture", "--out", out, "--jobs", 1, "--metrics", "sdr") == 0
    rows = read_scores(out)
    assert {row["si_sdr_i"] for row in rows} == {row["sdr_i"] for row in rows} == {0.0}
    assert all("pesq" not in row for row in rows)


def test_failures_are_empty_cells_counted_and_warned_of(scene, tmp_path, capsys):
    data, est, utterances = scene
    silent = est / "s2" / f"{utterances[0].id}.wav"
    write_audio(silent, np.zeros(int(1.5 * RATE), np.float32), RATE, subtype="FLOAT")
    out = tmp_path / "out.csv"
    assert run_cli("--data", data, "--est", est, "--out", out, "--jobs", 1) == 0
    shown = capsys.readouterr()
    assert "PESQ found no speech in 1 of 4 mixtures" in shown.err
    assert "an estimate is silent in 1 of 4 mixtures" in shown.err
    assert "nan" not in shown.out and "inf" not in shown.out
    rows = read_scores(out)
    assert rows[0]["pesq"] is None and rows[0]["si_sdr"] == -np.inf
    assert count_failures(rows) == {"pesq": 1, "stoi": 0, "silent": 1}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("missing", "1 of 8 separated files are missing, the first is .*run stage 3"),
        ("short", "11999 samples found, 12000 expected as in the mixture; run stage 3"),
        ("rate", "16000 Hz found, 8000 Hz expected"),
        ("folder", "8 of 8 separated files are missing"),
        ("data", "stage 0"),
        ("metric", "unknown metric 'snr'"),
        ("jobs", "--jobs 0 found, 1 or more expected"),
    ],
)
def test_bad_input_is_one_line(scene, tmp_path, capsys, damage, message):
    data, est, utterances = scene
    victim = est / "s1" / f"{utterances[3].id}.wav"
    options = ["--jobs", 1, "--metrics", "si_sdr"]
    if damage == "missing":
        victim.unlink()
    elif damage == "short":
        write_audio(victim, speech_like(np.random.default_rng(0))[:-1], RATE, subtype="FLOAT")
    elif damage == "rate":
        write_audio(victim, speech_like(np.random.default_rng(0)), 2 * RATE, subtype="FLOAT")
    elif damage == "folder":
        shutil.rmtree(est)
    elif damage == "data":
        data = tmp_path / "nowhere"
    elif damage == "metric":
        options = ["--metrics", "snr"]
    elif damage == "jobs":
        options = ["--jobs", 0]
    out = tmp_path / "out.csv"
    capsys.readouterr()
    assert run_cli("--data", data, "--est", est, "--out", out, *options) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(lines) == 1
    assert re.search(message, lines[0])
    assert not out.exists()

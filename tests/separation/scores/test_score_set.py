"""Scoring a folder: the CSV, its order, every core, and what is wrong with the input."""

import csv
import re
import shutil

import numpy as np
import pytest
import soundfile
from tiny_experiment import NOISE, RATE, speech_like, write_estimates, write_subset

from spiking_tasnet.cli.main import main
from spiking_tasnet.separation.audio.files import read_mono, write_audio
from spiking_tasnet.separation.scores.metrics import score_mixture
from spiking_tasnet.separation.scores.rows import ScoreRow, count_failures, read_scores, write_scores
from spiking_tasnet.separation.scores.score_set import score_set

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
    _, expected = score_mixture(est_sources, sources, read_mono(utterance.mixture)[0], RATE)
    row = read_scores(out)[2]
    assert row.perm == (1, 0)
    for name in COLUMNS[4:]:
        assert row.scores[name] == pytest.approx(expected[name], abs=1e-4)


def test_one_process_and_two_give_the_same_file(scene, tmp_path):
    data, est, _ = scene
    for jobs in (1, 2):
        write_scores(tmp_path / f"{jobs}.csv", score_set(data, est, ["si_sdr", "stoi"], jobs))
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def silence_reference(utterance):
    write_audio(utterance.sources[0], np.zeros(int(1.5 * RATE), np.float32), RATE)


def test_one_silent_reference_costs_its_own_row_only(scene, tmp_path, capsys, caplog):
    data, est, utterances = scene
    whole = score_set(data, est, ["si_sdr"], jobs=1)
    silence_reference(utterances[1])
    out = tmp_path / "out.csv"
    assert run_cli("--data", data, "--est", est, "--out", out, "--jobs", 2, "--metrics", "si_sdr") == 0
    assert "4 mixtures (1 not scored), mean si_sdr" in capsys.readouterr().out
    assert f"1 of 4 mixtures not scored, cells empty: {utterances[1].id} (reference 1 is silent" in caplog.text
    assert out.read_text().splitlines()[2] == f"{utterances[1].id},diff,F M,,,"
    rows = read_scores(out)
    assert [row.scores["si_sdr"] for row in rows] == [
        None if place == 1 else pytest.approx(row.scores["si_sdr"], abs=1e-4) for place, row in enumerate(whole)
    ]
    assert rows[1].perm == () and not (tmp_path / "out.csv.rows").exists()


def test_a_mixture_of_20_samples_has_the_scores_that_20_samples_have(scene, tmp_path, capsys):
    data, est, (short, *_) = scene
    for path in (short.mixture, *short.sources, *(est / f"s{n}" / f"{short.id}.wav" for n in (1, 2))):
        write_audio(path, read_mono(path)[0][4000:4020], RATE, subtype="FLOAT")
    out = tmp_path / "out.csv"
    assert run_cli("--data", data, "--est", est, "--out", out, "--jobs", 1) == 0
    row = read_scores(out)[0]
    assert row.scores["si_sdr"] is not None and all(
        row.scores[name] is None for name in ("sdr", "sdr_i", "pesq", "stoi")
    )
    shown = capsys.readouterr().err
    for what in ("PESQ found no speech", "too little speech for STOI", "too short for SDR"):
        assert f"warning: {what} in 1 of 4 mixtures" in shown


def test_many_that_cannot_be_scored_are_counted_and_the_first_named(scene, caplog):
    data, est, utterances = scene
    (est / "s1" / f"{utterances[0].id}.wav").write_text("no sound")
    silence_reference(utterances[2])
    rows = score_set(data, est, ["si_sdr"], jobs=1)
    assert [row.scores["si_sdr"] is None for row in rows] == [True, False, True, False]
    assert "2 of 4 mixtures not scored" in caplog.text and "cannot be read as audio" in caplog.text
    for utterance in utterances:
        silence_reference(utterance)
    with pytest.raises(ValueError, match=rf"not one of 4 mixtures could be scored; {utterances[0].id} \("):
        score_set(data, est, ["si_sdr"], jobs=1)


def test_estimates_of_another_system(scene, tmp_path, caplog):
    """FLAC of other names, a few samples longer or shorter: the same scores, and a warning."""
    data, est, utterances = scene
    whole = score_set(data, est, ["si_sdr"], jobs=1)
    other = tmp_path / "other"
    other.mkdir()
    for number, utterance in enumerate(utterances):
        for n in (1, 2):
            samples = read_mono(est / f"s{n}" / f"{utterance.id}.wav")[0]
            samples = np.pad(samples, (0, 5)) if number == 0 else samples[: len(samples) - 5 * (number == 1)]
            soundfile.write(other / f"{utterance.id}_s{n}.flac", samples / 4, RATE, subtype="PCM_24")
    caplog.clear()
    rows = score_set(data, other, ["si_sdr"], jobs=1)
    assert [row.scores["si_sdr"] for row in rows] == pytest.approx([row.scores["si_sdr"] for row in whole], abs=0.05)
    assert f"estimates of 2 of 4 mixtures fitted: {utterances[0].id} (cut by 5 samples; cut by" in caplog.text


def test_ids_that_look_like_formulas_are_text_and_come_back(tmp_path):
    names = ["=1+1", "+a", "@SUM(A1)", "'=x", "+1.5", "plain"]
    scores = {"si_sdr": -1.5, "si_sdr_i": float("-inf")}
    write_scores(tmp_path / "a.csv", [ScoreRow(name, "diff", ("M", "F"), (0, 1), scores) for name in names])
    with open(tmp_path / "a.csv", newline="") as stream:
        cells = [line[0] for line in csv.reader(stream)][1:]
    assert cells == ["'=1+1", "'+a", "'@SUM(A1)", "''=x", "+1.5", "plain"]
    found = read_scores(tmp_path / "a.csv")
    assert [row.utt for row in found] == names
    assert (found[0].scores["si_sdr"], found[0].scores["si_sdr_i"]) == (-1.5, -np.inf)


def test_the_mixture_scores_itself(scene, tmp_path):
    data, _, _ = scene
    out = tmp_path / "mixture_tt.csv"
    assert run_cli("--data", data, "--est", "mixture", "--out", out, "--jobs", 1, "--metrics", "sdr") == 0
    rows = read_scores(out)
    assert {row.scores["si_sdr_i"] for row in rows} == {row.scores["sdr_i"] for row in rows} == {0.0}
    assert all("pesq" not in row.scores for row in rows)


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
    assert rows[0].scores["pesq"] is None and rows[0].scores["si_sdr"] == -np.inf
    assert count_failures(rows) == {"pesq": 1, "stoi": 0, "sdr": 0, "silent": 1}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("missing", "1 of 8 separated files are missing, the first is .*run stage 3"),
        ("short", "not one of 4 .* 11000 samples found, 12000 expected as in the mixture, .* run stage 3"),
        ("rate", "not one of 4 .* 16000 Hz found, 8000 Hz expected"),
        ("pesq rate", "11025 Hz found, 8000 or 16000 Hz expected by PESQ; leave it out"),
        ("out", "a folder found, the CSV to write expected"),
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
        for path in est.glob("s1/*.wav"):
            write_audio(path, speech_like(np.random.default_rng(0))[:-1000], RATE, subtype="FLOAT")
    elif damage == "rate":
        for path in est.glob("s1/*.wav"):
            write_audio(path, speech_like(np.random.default_rng(0)), 2 * RATE, subtype="FLOAT")
    elif damage == "pesq rate":
        options = ["--jobs", 1, "--metrics", "pesq"]
        write_audio(utterances[0].mixture, speech_like(np.random.default_rng(0)), 11025)
    elif damage == "out":
        (tmp_path / "out.csv").mkdir()
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
    assert not out.is_file()

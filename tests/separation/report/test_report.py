"""The report: means recomputed by hand, the shape of results.json, the tables, and bad or missing input."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from statistics import fmean

import pytest
from tiny_experiment import NOISE, write_experiment

from spiking_tasnet.cli.main import main
from spiking_tasnet.files import read_json, write_json
from spiking_tasnet.paper.published import TABLE4
from spiking_tasnet.separation.report.curves import draw_curves, stage_spans
from spiking_tasnet.separation.report.results import Epoch, load_experiment
from spiking_tasnet.separation.report.tables import results_markdown, without_places
from spiking_tasnet.separation.scores.means import summarise
from spiking_tasnet.separation.scores.rows import ScoreRow, read_scores, write_scores
from spiking_tasnet.separation.scores.score_set import score_set


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Data and an experiment that stages 0 to 4 have finished; tests that change it take a copy."""
    data, exp = write_experiment(tmp_path_factory.mktemp("report"))
    for subset in ("cv", "tt"):
        for system in ("mixture", *NOISE):
            est_dir = None if system == "mixture" else exp / "separated" / system / subset
            rows = score_set(data / subset, est_dir, jobs=1)
            write_scores(exp / "scores" / f"{system}_{subset}.csv", rows)
    return data, exp


@pytest.fixture
def copied(scored, tmp_path):
    """A copy of the experiment to damage; the data folder is shared."""
    data, exp = scored
    return data, shutil.copytree(exp, tmp_path / "tiny")


def report(data, exp, *options):
    return main(["report", "--exp", str(exp), "--data", str(data), *options])


def test_all_files_are_written_with_the_agreed_shape(copied, capsys):
    data, exp = copied
    assert report(data, exp) == 0
    assert capsys.readouterr().out.split() == [
        str(exp / name) for name in ("RESULTS.md", "results.json", "curves.png", "demo/index.html")
    ]
    results = read_json(exp / "results.json")
    assert set(results) == {"open", "closed"}
    for systems in results.values():
        assert list(systems) == ["mixture", "ann", "snn"]
        for groups in systems.values():
            assert list(groups) == ["diff", "same", "overall"]
            for scores in groups.values():
                assert {"n", "si_sdr", "si_sdr_i", "sdr", "sdr_i", "pesq", "stoi", "pesq_failed"} <= set(scores)
    assert (exp / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not list(exp.rglob("*.tmp*"))


def test_results_are_the_means_of_the_csv(copied):
    data, exp = copied
    report(data, exp)
    results = read_json(exp / "results.json")
    rows = read_scores(exp / "scores" / "snn_tt.csv")
    diff = [row for row in rows if row.genders[0] != row.genders[1]]
    assert results["open"]["snn"]["overall"]["si_sdr"] == pytest.approx(fmean(row.scores["si_sdr"] for row in rows))
    assert results["open"]["snn"]["diff"]["stoi"] == pytest.approx(fmean(row.scores["stoi"] for row in diff))
    assert results["open"]["snn"]["diff"]["n"] == 2
    assert results["closed"]["mixture"]["overall"]["si_sdr_i"] == 0
    # The estimates hold 0.1 and 0.2 of the other talker: about 20 and 14 dB.
    assert results["open"]["ann"]["overall"]["si_sdr"] == pytest.approx(20, abs=1)
    assert results["open"]["snn"]["overall"]["si_sdr"] == pytest.approx(14, abs=1)


def test_markdown_holds_every_number_of_table_4(scored):
    experiment = load_experiment(scored[1])
    text = results_markdown(experiment)
    for condition in ("closed", "open"):
        for system, label in (("mixture", "mixture"), ("ann", "ANN"), ("snn", "SNN")):
            line = next(line for line in text.splitlines() if line.startswith(f"| {condition} | {label} |"))
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            summary = experiment.results[condition][system]
            expected = [
                f"{round(summary[group].score(metric), decimals) + 0.0:.{decimals}f}"
                for metric, decimals in (("si_sdr", 1), ("si_sdr_i", 1), ("pesq", 2), ("stoi", 3))
                for group in ("diff", "same", "overall")
            ]
            assert cells[2:] == expected
    assert "| 2 | separator.1 | spiking | 0.2 | 3 | 4.12 | 3.00 | 3.88 |" in text
    for fact in ("20261", "123456", "Some CPU, 2 cores, 8 GiB", "torch 2.12.1", "0123456789ab, with uncommitted"):
        assert fact in text
    for cost in ("N_s = 32", "4.6 pJ a MAC", "0.9 pJ an accumulate", "Horowitz"):
        assert cost in text


def test_the_paper_is_quoted_only_when_asked(scored):
    experiment = load_experiment(scored[1])
    assert "paper" not in results_markdown(experiment)
    quoted = results_markdown(experiment, published=TABLE4)
    row = "| open | *SNN, paper, WSJ0-2mix* | 14.2 | 9.8 | 12.2 | – | – | – | 3.02 | 2.66 | 2.85 | – | – | – |"
    assert row in quoted


def test_tables_are_well_formed(scored):
    text = results_markdown(load_experiment(scored[1]), published=TABLE4)
    blocks = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 7
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_unknown_genders_count_overall_only():
    known = ScoreRow("a", "diff", ("M", "F"), (0, 1), {"si_sdr": 1.0})
    summary = summarise([known, ScoreRow("b", "unknown", ("M", "?"), (0, 1), {"si_sdr": 3.0})])
    assert list(summary) == ["diff", "overall"]
    assert (summary["diff"].si_sdr, summary["overall"].si_sdr, summary["overall"].n) == (1.0, 2.0, 2)


def test_failures_never_poison_a_mean(copied):
    data, exp = copied
    path = exp / "scores" / "snn_tt.csv"
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    cells[4:] = ["-inf", "-inf", "-inf", "-inf", "", "0.5"]
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    assert report(data, exp) == 0
    results = json.loads((exp / "results.json").read_text(), parse_constant=pytest.fail)  # no NaN, no Infinity
    overall = results["open"]["snn"]["overall"]
    assert (overall["n"], overall["silent"], overall["pesq_failed"]) == (4, 1, 1)
    others = read_scores(path)[1:]
    assert overall["si_sdr"] == pytest.approx(fmean(row.scores["si_sdr"] for row in others))
    text = (exp / "RESULTS.md").read_text()
    assert "open, SNN: no PESQ (P.862 found no speech), left out of its mean, in 1 of 4 mixtures." in text
    assert "open, SNN: a silent estimate (-inf dB), left out of the means in dB, in 1 of 4 mixtures." in text


def test_mixtures_that_were_not_scored_are_left_out_and_counted(copied):
    """A silent reference empties a row of every system, an unreadable estimate that of one; the page takes others."""
    data, exp = copied
    texts = {}
    for path in (exp / "scores").glob("*_tt.csv"):
        lines = path.read_text().splitlines()
        for place in (1, 2) if path.name.startswith("snn") else (1,):
            cells = lines[place].split(",")
            lines[place] = ",".join([*cells[:3], *[""] * (len(cells) - 3)])
        path.write_text("\n".join(lines) + "\n")
        texts[path.stem] = read_scores(path)
    assert report(data, exp) == 0
    overall = read_json(exp / "results.json")["open"]
    assert [overall[system]["overall"]["unscored"] for system in ("mixture", "ann", "snn")] == [1, 1, 2]
    assert overall["snn"]["overall"]["si_sdr"] == pytest.approx(fmean(r.scores["si_sdr"] for r in texts["snn_tt"][2:]))
    assert overall["ann"]["overall"]["pesq_failed"] == overall["ann"]["overall"]["silent"] == 0
    assert overall["snn"]["diff"]["si_sdr"] is None  # both of that group are empty
    text = (exp / "RESULTS.md").read_text()
    for system, count in (("mixture", 1), ("ANN", 1), ("SNN", 2)):
        assert re.search(rf"open, {system}: not scored .*, left out of all means, in {count} of 4 mixtures", text)
    page = (exp / "demo" / "index.html").read_text()
    unscored = [row.utt for row in texts["snn_tt"] if row.scores["si_sdr"] is None]
    assert len(unscored) == 2 and not any(f"<code>{name}</code>" in page for name in unscored)
    assert f"<code>{texts['snn_tt'][3].utt}</code>" in page


def test_no_compiled_cache_no_home_and_no_torch_are_needed(copied):
    """numba, which librosa imports, fails where neither home nor environment is writable; torch loads slowly."""
    data, exp = copied
    words = ["report", "--exp", str(exp), "--data", str(data)]
    program = (
        "import sys; sys.modules['numba'] = sys.modules['librosa'] = None\n"
        f"from spiking_tasnet.cli.main import main; code = main({words!r}); sys.exit(code or 'torch' in sys.modules)"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "MPL", "XDG"))}
    env |= {"HOME": "/nonexistent", "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4 and "Traceback" not in done.stderr


def test_metrics_that_were_not_scored_are_dashes(copied):
    data, exp = copied
    for path in (exp / "scores").iterdir():
        rows = [line.split(",")[:6] for line in path.read_text().splitlines()]
        path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    assert report(data, exp) == 0
    overall = read_json(exp / "results.json")["open"]["ann"]["overall"]
    assert overall["pesq"] is None and overall["pesq_failed"] == 0
    assert "| – | – | – |" in (exp / "RESULTS.md").read_text()


@pytest.mark.parametrize(
    ("missing", "stage"),
    [
        ("ann/history.csv", "stage 1 (train)"),
        ("snn/history.csv", "stage 2 (convert)"),
        ("snn/stages.json", "stage 2 (convert)"),
        ("snn/cost.json", "stage 3 (separate)"),
        ("scores/snn_tt.csv", "stage 4 (score)"),
        ("scores/mixture_cv.csv", "stage 4 (score)"),
        ("separated/snn/tt/s1", "stage 3 (separate)"),
    ],
)
def test_missing_input_names_the_stage_that_makes_it(copied, capsys, missing, stage):
    data, exp = copied
    path = exp / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert report(data, exp) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line and stage in line
    assert not (exp / "results.json").exists()


def test_damaged_input_is_one_line(copied, capsys):
    data, exp = copied
    scores = exp / "scores" / "ann_tt.csv"
    for text, message in (
        ("", "no column 'utt'"),
        ("utt,group,genders,perm,si_sdr,si_sdr_i\n", "no line below the header"),
        ("utt,group,genders,perm,si_sdr,si_sdr_i\na,diff,M F,0 1\n", "line 2 does not have 6 cells"),
        ("utt,group,genders,perm,si_sdr,si_sdr_i\na,diff,M F,0 1,x,2\n", "line 2: could not convert string"),
        ("utt,group,genders,perm,si_sdr,si_sdr_i\na,diff,M F,0 1,1,2\n", "1 mixtures found that are not the 4"),
    ):
        scores.write_text(text)
        assert report(data, exp) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert str(scores) in line and message in line and "stage 4" in line
    shutil.copy(exp / "scores" / "snn_tt.csv", scores)
    write_json(exp / "snn" / "cost.json", [])
    assert report(data, exp) == 1
    assert "a non-empty JSON dict expected" in capsys.readouterr().err
    assert report(data, exp / "nowhere") == 1
    assert "no such experiment folder; stage 1" in capsys.readouterr().err


def test_curves_count_epochs_over_the_whole_run_and_shade_each_stage():
    history = [Epoch(n, 0, -1.0, -n / 2) for n in (1, 2, 3)] + [Epoch(1, 1, -1.0, -1.0), Epoch(2, 2, -1.0, -1.25)]
    assert stage_spans(history) == [(0, 0.5, 3.5), (1, 3.5, 4.5), (2, 4.5, 5.5)]
    stages = [{"ptl_stage": 1, "val_loss_converted": 0.5}, {"ptl_stage": 2, "val_loss_converted": None}]
    figure = draw_curves(history, stages)
    (axes,) = figure.axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines["dev set"] == [[1, 0.5], [2, 1], [3, 1.5], [4, 1], [5, 1.25]]
    assert lines["dev set, right after conversion"] == [[3.5, -0.5]]
    assert len(axes.patches) == 2


def test_curves_of_a_long_run_stay_readable_and_finite():
    history = [Epoch(n, 0, -5.0, -4.0) for n in range(1, 101)]
    history += [Epoch(n, 1 + n // 10, -5.0, -4.0) for n in range(110)]
    figure = draw_curves(history)
    assert math.isclose(figure.get_size_inches()[0], 14.0)
    assert len(figure.axes[0].patches) == 11


def test_no_place_of_the_machine_is_in_the_report():
    command = "recipes/x/run.sh --wsj0 /home/me/corpus --set ann.lr=1 --data data/tr"
    assert without_places(command) == "recipes/x/run.sh --wsj0 corpus --set ann.lr=1 --data data/tr"


def test_headline(scored):
    experiment = load_experiment(scored[1])
    ann, snn = (experiment.results["open"][system]["overall"] for system in ("ann", "snn"))
    text = results_markdown(experiment)
    assert f"the SNN gains {snn.si_sdr_i:+.2f} dB SI-SDR over the mixture and the ANN {ann.si_sdr_i:+.2f}" in text
    assert f"SNN minus ANN {snn.si_sdr - ann.si_sdr:+.2f} dB" in text


def test_a_dev_set_of_other_talkers_is_told(copied):
    data, exp = copied
    report(data, exp)
    for path in (exp / "RESULTS.md", exp / "demo/index.html"):
        assert "heard in training" in path.read_text() and "not heard in training either" not in path.read_text()
    run = read_json(exp / "ann" / "run.json")
    write_json(exp / "ann" / "run.json", run | {"dev_talkers_heard": False})
    report(data, exp)
    for path in (exp / "RESULTS.md", exp / "demo/index.html"):
        assert "not heard in training either" in path.read_text()

"""Table 4 from finished separation experiments, beside the paper's numbers."""

import csv
import subprocess
import sys

import pytest
from matplotlib.image import imread

from spiking_tasnet.cli.main import main
from spiking_tasnet.files import write_json
from spiking_tasnet.paper.exhibits import DESCRIPTIONS, EXHIBITS, TABLE4
from spiking_tasnet.paper.make import MAKERS
from spiking_tasnet.separation.scores.means import GROUPS


def experiment(folder, gain=0.0):
    """An experiment folder with the results.json of its report: SI-SDR 10 dB in the overall mean, plus `gain`."""
    scores = {
        group: {"n": 4, "si_sdr": 10 + index + gain, "si_sdr_i": 9.0, "pesq": 2.5, "stoi": None}
        for index, group in enumerate(GROUPS)
    }
    systems = dict.fromkeys(("mixture", "ann", "snn"), scores)
    write_json(folder / "results.json", {"open": systems, "closed": systems})
    return folder


def rows_of(path):
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def table4(*options):
    return main(["paper", "table4", *(str(option) for option in options)])


def test_ours_and_the_papers_rows_stand_side_by_side(tmp_path, capsys):
    assert table4("--exp", experiment(tmp_path / "one"), "--out", tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[2].strip() for line in lines[2:12]] == 2 * [
        "mixture",
        "ANN",
        "*ANN, paper*",
        "SNN",
        "*SNN, paper*",
    ]
    assert lines[5].startswith("| closed | SNN | 10.0 | 11.0 | 12.0 | 9.0 |")
    assert lines[6].startswith("| closed | *SNN, paper* | 14.5 | 11.0 | 12.8 | – |")
    assert lines[11].startswith("| open | *SNN, paper* | 14.2 | 9.8 | 12.2 |")
    assert len({line.count("|") for line in lines[:12]}) == 1
    assert imread(tmp_path / "table4.png").shape[2] == 4
    rows = rows_of(tmp_path / "table4.csv")
    assert len(rows) == 2 * 3 * 3
    (row,) = [row for row in rows if (row["condition"], row["system"], row["group"]) == ("open", "snn", "same")]
    assert (row["si_sdr"], row["paper_si_sdr"], row["stoi"], row["run"]) == ("11.0", "9.8", "", "one")


def test_experiments_of_several_seeds_are_averaged(tmp_path, capsys):
    folders = experiment(tmp_path / "one"), experiment(tmp_path / "two", gain=2.0)
    assert table4("--exp", *folders, "--out", tmp_path) == 0
    assert "| closed | SNN | 11.0 ± 1.4 | 12.0 ± 1.4 | 13.0 ± 1.4 | 9.0 ± 0.0 |" in capsys.readouterr().out
    assert len(rows_of(tmp_path / "table4.csv")) == 2 * 18


def test_a_condition_without_one_of_the_gender_groups(tmp_path, capsys):
    folder = experiment(tmp_path / "one")
    systems = dict.fromkeys(("mixture", "ann", "snn"), {"overall": {"n": 1, "si_sdr": 5.0}})
    write_json(folder / "results.json", {"open": systems, "closed": systems})
    assert table4("--exp", folder, "--out", tmp_path) == 0
    assert "| open | ANN | – | – | 5.0 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (None, "stage 5 (report) of a separation recipe makes it"),
        ({"ann": {"top1": 0.5}}, "not the results of a separation experiment"),
        ([1], "not the results of a separation experiment"),
        ({"open": {}, "closed": {}}, "not the results of a separation experiment"),
    ],
)
def test_other_folders_are_refused_in_a_line(tmp_path, capsys, results, message):
    if results is not None:
        write_json(tmp_path / "results.json", results)
    assert table4("--exp", tmp_path, "--out", tmp_path / "out") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"spiking-tasnet paper: error: {tmp_path / 'results.json'}: ") and message in line
    assert not (tmp_path / "out").exists()


def test_options_that_do_not_fit_are_refused(tmp_path, capsys):
    folder = experiment(tmp_path / "one")
    assert table4("--exp", folder, "--out", tmp_path, "--bits", "4") == 1
    assert "--bits found, which table4 does not have" in capsys.readouterr().err
    assert table4("--exp", folder, folder, "--out", tmp_path) == 1
    assert "one folder given twice" in capsys.readouterr().err
    assert main(["paper", "fig5", "--data", "x", "--exp", str(folder), "--out", str(tmp_path)]) == 1
    assert "--exp found, which fig5 does not have" in capsys.readouterr().err
    for words, absent in ((["table4"], "--exp"), (["fig5"], "--data")):
        with pytest.raises(SystemExit) as stopped:
            main(["paper", *words, "--out", str(tmp_path)])
        assert stopped.value.code == 2
        assert f"the following arguments are required: {absent}" in capsys.readouterr().err


def test_the_catalogue_names_what_can_be_made():
    assert MAKERS.keys() == EXHIBITS.keys() and DESCRIPTIONS.keys() == {*EXHIBITS, TABLE4}


def test_help_loads_no_torch():
    code = (
        "import sys; from spiking_tasnet.cli.main import build_parser; build_parser('paper'); "
        "sys.exit(bool({'torch', 'matplotlib'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

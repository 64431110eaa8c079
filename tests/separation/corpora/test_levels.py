"""Published levels: read as they come, taken by default where they belong to the lists, measured on request."""

import logging
import re

import pytest
from tiny_corpus import write_corpus

from spiking_tasnet.cli.main import main
from spiking_tasnet.files import read_json, write_json
from spiking_tasnet.separation.corpora.levels import MEASURE, MEASURED, read_levels
from spiking_tasnet.separation.corpora.merl import MerlSpec, build_mixtures


def test_levels(tmp_path):
    (tmp_path / "activlev_a.txt").write_text("u1 1.5e-04\n")
    (tmp_path / "activlev_b.txt").write_text("u2\t2\r\n\r\nu1 1.5e-4", encoding="utf-8-sig", newline="")
    assert read_levels(tmp_path) == {"u1": 1.5e-4, "u2": 2.0}
    (tmp_path / "activlev_c.txt").write_text("u3 0\n")
    with pytest.raises(ValueError, match="activlev_c.txt: line 1"):
        read_levels(tmp_path)
    (tmp_path / "activlev_c.txt").write_text("u3 1\nu2 3\n")
    with pytest.raises(ValueError, match="activlev_c.txt: line 2: u2 has level 2 too"):
        read_levels(tmp_path)
    with pytest.raises(FileNotFoundError, match="no activlev_"):
        read_levels(tmp_path / "elsewhere")


@pytest.fixture
def root(tmp_path):
    return write_corpus(tmp_path / "corpus", {"tr": 1, "cv": 1, "tt": 1})


def write_levels(folder, root, level=0.01):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "activlev_x.txt").write_text("".join(f"{path.stem} {level}\n" for path in root.rglob("*.wav")))
    return folder


def mixed_from(data):
    return read_json(data / "wav8k/min/mixed_from.json")["levels"]


@pytest.mark.parametrize("place", ["corpus", "corpus/activlev", "activlev"])
def test_levels_beside_the_lists_are_taken_and_said(tmp_path, root, place, caplog):
    folder = write_levels(tmp_path / place, root)
    with caplog.at_level(logging.INFO):
        build_mixtures(MerlSpec(root, root, tmp_path / "data"), jobs=1)
    assert mixed_from(tmp_path / "data") == str(folder)
    assert f"{folder}: published active levels taken; --activlev none would measure them" in caplog.text
    build_mixtures(MerlSpec(root, root, tmp_path / "named", folder), jobs=1)
    for made in (tmp_path / "named/wav8k").rglob("*.wav"):
        assert made.read_bytes() == (tmp_path / "data" / made.relative_to(tmp_path / "named")).read_bytes()


def test_none_measures_them(tmp_path, root, caplog):
    arguments = ["mix", "--wsj0", root, "--mix-lists", root, "--jobs", "1", "--data-dir"]
    assert main([*map(str, arguments), str(tmp_path / "without")]) == 0
    write_levels(tmp_path / "corpus", root)
    with caplog.at_level(logging.INFO):
        assert main([*map(str, arguments), str(tmp_path / "data"), "--activlev", "none"]) == 0
    assert mixed_from(tmp_path / "data") == mixed_from(tmp_path / "without") == MEASURED
    assert "active levels are measured" in caplog.text
    for made in (tmp_path / "data/wav8k").rglob("*.wav"):
        assert made.read_bytes() == (tmp_path / "without" / made.relative_to(tmp_path / "data")).read_bytes()


def test_levels_of_other_utterances_are_passed_over_and_half_of_them_refused(tmp_path, root, caplog):
    (root / "activlev_other.txt").write_text("423a010n 4.88e-04\n")
    build_mixtures(MerlSpec(root, root, tmp_path / "data"), jobs=1)
    assert mixed_from(tmp_path / "data") == MEASURED
    assert "active levels of other utterances than those of the lists, passed over" in caplog.text
    stem = re.search(r"(\w+)\.wav", (root / "mix_2_spk_tt.txt").read_text())[1]
    (root / "activlev_other.txt").write_text(f"{stem} 4.88e-04\n")
    with pytest.raises(ValueError, match="utterances have no level, .*; --activlev none has levels measured"):
        build_mixtures(MerlSpec(root, root, tmp_path / "data"), jobs=1)


def test_two_utterances_of_one_name_have_no_published_level(tmp_path, root):
    write_levels(root, root)
    (root / "tiny/tr/01b/01b0.wav").rename(root / "tiny/tr/01b/01a0.wav")
    for subset in ("tr", "cv", "tt"):
        (root / f"mix_2_spk_{subset}.txt").write_text("tiny/tr/01a/01a0.wav 1 tiny/tr/01b/01a0.wav -1\n")
    with pytest.raises(ValueError, match="a level of 01a0 found, which stands for .*01a/01a0.wav and for .*01b/01a0"):
        build_mixtures(MerlSpec(root, root, tmp_path / "data"), jobs=1)
    build_mixtures(MerlSpec(root, root, tmp_path / "data", MEASURE), jobs=1)


def test_mixtures_whose_levels_were_measured_otherwise_are_not_gone_on_with(tmp_path, root, capsys):
    """What stood in mixed_from.json while levels were measured without activlev's filter, bins and tail."""
    build_mixtures(MerlSpec(root, root, tmp_path), jobs=1)
    path = tmp_path / "wav8k/min/mixed_from.json"
    write_json(path, read_json(path) | {"levels": "measured"})
    assert main(["mix", "--wsj0", str(root), "--mix-lists", str(root), "--data-dir", str(tmp_path)]) == 1
    assert f"mixtures of levels measured found, {MEASURED} expected; remove that folder" in capsys.readouterr().err

"""The table of conversion options: its rows, and one row made from tiny talkers."""

import dataclasses
import sys

import pytest
from tiny_separator import TINY, tiny_network
from tiny_talkers import write_talkers

from benchmarks import few_steps
from spiking_tasnet.config import read_config
from spiking_tasnet.files import read_json
from spiking_tasnet.separation.config import Config
from spiking_tasnet.separation.corpora.talkers import TalkersSpec, build_talkers
from spiking_tasnet.separation.network import save_model


def test_each_row_adds_its_own_settings_to_the_papers_rule():
    rows = few_steps.rows_of(joint=7)
    assert [*rows][0] == few_steps.PAPER and rows[few_steps.PAPER] == []
    changed = {name: read_config(Config, None, settings) for name, settings in rows.items()}
    paper = changed.pop(few_steps.PAPER)
    assert all(config != paper for config in changed.values()) and len({*map(str, changed.values())}) == len(changed)
    together = changed[few_steps.ALL]
    assert (together.ptl.v_init, together.ptl.joint_epochs, together.snn.distil) == (0.5, 7, 300)
    three, few_bits = (changed[name].ptl for name in (few_steps.THREE, few_steps.FEW_BITS))
    assert (three.firing, three.v_init, three.channel_wise, three.weight_bits) == ("phased", 0.5, True, 0)
    assert few_bits == dataclasses.replace(three, weight_bits=8, per_channel=True)


def test_a_row_is_converted_scored_and_kept(tmp_path, monkeypatch, capsys):
    talkers = write_talkers(tmp_path / "talkers")
    build_talkers(TalkersSpec(talkers, tmp_path / "data", dev_mixtures=3, test_mixtures=4), jobs=1)
    save_model(tmp_path / "ann.pt", tiny_network())
    sizes = ", ".join(f"{key}: {getattr(TINY, key)}" for key in ("n_filters", "kernel_size", "stride", "n_blocks"))
    (tmp_path / "tiny.yaml").write_text(
        f"model: {{{sizes}, bn_chan: {TINY.bn_chan}, hid_chan: {TINY.hid_chan}}}\n"
        "data: {segment: 0.5, batch_size: 2, num_workers: 0}\n"
    )
    words = ["--config", tmp_path / "tiny.yaml", "--ann", tmp_path / "ann.pt", "--data", tmp_path / "data"]
    words += ["--out", tmp_path / "out", "--num-steps", "8", "--batches", "1", "--limit", "3", "--dev", "2"]
    words += ["--option", few_steps.PAPER, "--option", "price on spikes"]
    monkeypatch.setattr(sys, "argv", ["few_steps", *map(str, words)])
    few_steps.main()
    kept = sorted((tmp_path / "out" / "rows").iterdir())
    rows = [read_json(path) for path in kept]
    assert [row["option"] for row in rows] == [few_steps.PAPER, "price on spikes"]
    assert all(row["spikes"] > 0 and row["energy_ratio"] > 0 for row in rows)
    assert rows[0]["gain"] != rows[1]["gain"]
    first = capsys.readouterr().out
    assert first.count("| 8 | the paper's rule |") == 2 and "ANN: " in first
    written = [path.stat().st_mtime_ns for path in kept]
    few_steps.main()
    assert [path.stat().st_mtime_ns for path in kept] == written
    assert capsys.readouterr().out.splitlines()[-1] == first.splitlines()[-1]


def test_an_unknown_row_is_refused(capsys):
    with pytest.raises(SystemExit):
        few_steps.parse(["--config", "a", "--ann", "b", "--data", "c", "--out", "d", "--option", "magic"])
    assert "--option magic: one of the paper's rule" in capsys.readouterr().err

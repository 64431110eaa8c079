"""The model card says what figures.json holds, and the files in the checkout are what is made of it."""

import copy
import re
import sys

import pytest

from benchmarks import model_card
from spiking_tasnet.files import read_json, write_json
from spiking_tasnet.models import LIVE, SHIPPED

MEANS = {"n": 3, "si_sdr": 5.0, "stoi": 0.8}
GAINS = {
    "mixture": MEANS | {"si_sdr_i": 0.0, "pesq": 1.23},
    "ann": MEANS | {"si_sdr_i": 6.543, "pesq": 2.34},
    "snn": MEANS | {"si_sdr_i": 6.321, "pesq": 2.31},
}
COST = {"spikes_per_neuron": 0.456, "synops_ratio": 0.567, "energy_ratio": 0.234}
COST |= {"snn_energy_j_per_s": 0.00111, "ann_energy_j_per_s": 0.00474}
SET = {
    "mixtures": 3,
    "talkers": 4,
    "gains": {"all": GAINS, "two men": GAINS},
    "languages": {},
    "cost": COST,
}
SIZES = {"n_filters": 256, "kernel_size": 32, "stride": 16, "hid_chan": 256, "n_blocks": 9, "sample_rate": 8000}
MODEL = {"bytes": 5_020_000, "parameters": 2_001_234, "sizes": SIZES, "receptive_field_s": 2.05}
MODEL |= {"num_steps": 8, "weight_bits": 8}
RUN = {
    "seed": 7,
    "hours": 1.5,
    "recipe": "recipes/talkers/run.sh --talkers talkers-8k",
    "machine": {"cpu": "Some CPU", "cores": 2},
}
NETWORKS = [{"network": "ANN", "ms": 98.44, "real_time_factor": 0.02461, "ratio": 1.0}]
TIMES = {"seconds": 4.0, "threads": 2, "machine": {"cpu": "Some CPU"}, "networks": NETWORKS}


@pytest.fixture
def figures():
    facts = read_json(model_card.FACTS) | {"ann": RUN, "snn": RUN | {"hours": 0.25}}
    closed = SET | {"languages": {"en": GAINS, "eo": GAINS}}
    return copy.deepcopy({"model": MODEL, "facts": facts, "corpora": {"talkers": {"open": SET, "closed": closed}}})


def test_the_files_in_the_checkout_are_made_of_the_figures_in_the_checkout():
    paths = model_card.FIGURES, model_card.TIMES, model_card.LIVE_FIGURES
    figures, times, live = (read_json(path) if path.is_file() else None for path in paths)
    assert bool(figures) is SHIPPED.is_file() and bool(live) is LIVE.is_file()
    expected = model_card.card(figures, times, read_json(model_card.FACTS), live)
    for path in model_card.CARDS:
        assert path.read_text(encoding="utf-8") == expected, f"{path}: run python -m benchmarks.model_card"
    readme = model_card.README.read_text(encoding="utf-8")
    assert model_card.with_block(readme, model_card.readme_block(figures)) == readme
    for found, path in ((figures, SHIPPED), (live, LIVE)):
        if found:
            assert found["model"]["bytes"] == path.stat().st_size and found["model"]["file"] == path.name


def test_every_figure_comes_from_the_file(figures):
    text = model_card.card(figures, TIMES, {})
    assert "| all | 3 | +6.54 | +6.32 | -0.22 | 1.23 | 2.34 | 2.31 | -0.03 |" in text
    assert "0.46 spikes" in text and "0.57 SynOps" in text and "energy 0.234 of the ANN's" in text
    assert "### Open: talkers" in text and "### Closed: talkers" in text and "| eo | 3 |" in text
    assert "3 mixtures of 4 talkers" in text and "5.0 MB" in text and "2,001,234" in text and "N_s = 8" in text
    assert "| ANN | 98.4 | 0.0246 | 1.00 |" in text and "| training time | 0.25 h |" in text and "2.05 s" in text
    assert "| recipes/talkers/run.sh --talkers talkers-8k |" in text
    for corpus in figures["facts"]["corpora"]:
        assert corpus["name"] in text and corpus["licence"] in text
    figures["corpora"]["talkers"]["open"]["gains"]["all"]["snn"]["si_sdr_i"] = 5.0
    assert "| all | 3 | +6.54 | +5.00 | -1.54 |" in model_card.card(figures, TIMES, {})


def test_the_live_network_has_a_chapter_of_its_own(figures):
    plain = model_card.card(figures, TIMES, {})
    assert "live" not in plain and "algorithmic latency" not in plain
    live = copy.deepcopy(figures)
    live["model"]["sizes"] = SIZES | {"causal": True}
    live["facts"] |= read_json(model_card.RECIPE / "facts_live.json")
    live["corpora"]["talkers"]["open"]["gains"]["all"]["snn"]["si_sdr_i"] = 3.21
    text = model_card.card(figures, TIMES, {}, live)
    before, mark, chapter = text.partition("\n## The live network\n")
    assert mark and plain.startswith(before)  # the first chapter is as it was
    chapter, mark, after = chapter.partition("\n## Data, licences, attribution\n")
    assert mark and plain.partition(mark)[2].startswith(after.partition("```")[0])
    assert "| algorithmic latency | 4 ms, one filter: the network is causal |" in chapter
    assert "It was trained for a short time only and is no default." in chapter
    assert "| all | 3 | +6.54 | +3.21 |" in chapter
    assert "### Open: talkers, live network" in chapter and "### Closed: talkers, live network" in chapter
    assert f"Training started from {live['facts']['start']}." in chapter
    assert "| training time | 0.25 h |" in chapter and "\n\n\n" not in text
    files = re.findall(r"recipes/talkers/(?:conf/)?[\w]+\.(?:yaml|json)", model_card.LIVE_COMMANDS)
    assert len(files) == 4 and all((model_card.ROOT / file).is_file() for file in files)
    assert model_card.LIVE_COMMANDS in after


def test_the_command_fills_card_and_readme(figures, tmp_path, monkeypatch, capsys):
    readme, cards = tmp_path / "README.md", (tmp_path / "docs" / "card.md", tmp_path / "beside.md")
    for name, value in (("README", readme), ("CARDS", cards), ("FIGURES", tmp_path / "f.json")):
        monkeypatch.setattr(model_card, name, value)
    monkeypatch.setattr(model_card, "TIMES", tmp_path / "t.json")
    monkeypatch.setattr(model_card, "LIVE_FIGURES", tmp_path / "l.json")
    monkeypatch.setattr(model_card, "PAGE", tmp_path / "listen.html")
    write_json(tmp_path / "new.json", figures)
    readme.write_text(f"before\n{model_card.MARKS[0]}\n| old |\n{model_card.MARKS[1]}\nafter\n")
    words = ["--figures", str(tmp_path / "new.json"), "--times", str(tmp_path / "none.json")]
    monkeypatch.setattr(sys, "argv", ["benchmarks.model_card", *words])
    model_card.main()
    assert capsys.readouterr().out.split() == [*map(str, cards), str(readme)]
    assert cards[0].read_text() == cards[1].read_text() == model_card.card(figures, None, {})
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "| old |" not in text
    assert "| LibriSpeech dev-clean, 3 mixtures | **SNN, N_s = 8** | +6.32 dB | 2.31 | 0.23 |" in text
    assert read_json(tmp_path / "f.json") == figures
    assert not (tmp_path / "t.json").exists() and not (tmp_path / "l.json").exists()
    monkeypatch.setattr(sys, "argv", ["benchmarks.model_card", *words, "--live-figures", str(tmp_path / "new.json")])
    model_card.main()
    assert cards[0].read_text() == model_card.card(figures, None, {}, figures)
    assert read_json(tmp_path / "l.json") == figures
    assert readme.read_text() == text and "(docs/model_card.md)" in text and "listen" not in text
    (tmp_path / "listen.html").touch()
    assert "[listen](docs/listen.html)" in model_card.readme_block(figures)
    with pytest.raises(ValueError, match="the marks .* expected"):
        model_card.with_block("no marks", "table")


def test_without_figures_it_says_so_and_claims_nothing():
    text = model_card.card(None, None, read_json(model_card.FACTS))
    assert "does not hold the network yet" in text and "SI-SDR (dB)" not in text
    assert "CC BY 4.0" in text and "## Limits" in text and model_card.readme_block(None) == ""

"""Parts of mixing, separating and scoring: together they are the whole, and the command itself merges them."""

import json

import numpy as np
import pytest
from tiny_corpus import write_corpus
from tiny_experiment import NOISE, write_estimates, write_subset

from spiking_tasnet.cli.main import main
from spiking_tasnet.part import Part, files_of_parts
from spiking_tasnet.separation import separate_set as separate_module
from spiking_tasnet.separation.audio.files import read_mono
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.corpora.kaldi import read_data_dir
from spiking_tasnet.separation.network import TasNet, save_model
from spiking_tasnet.separation.scores import score_set as score_module

GENDERS = (("M", "F"), ("F", "M"), ("M", "M"), ("F", "F"), ("M", "F"))


def test_parts_hold_every_item_once():
    items = list(range(11))
    for total in (1, 2, 3, 20):
        parts = [Part.read(f"{number}/{total}").of(items) for number in range(1, total + 1)]
        assert sorted(sum(parts, [])) == items
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["", "0/2", "3/2", "1/0", "-1/2", "1", "a/b", "1/2/3"])
def test_what_is_no_part(text):
    with pytest.raises(ValueError, match="K/N expected with K from 1 to N"):
        Part.read(text)


def test_files_of_parts_are_those_of_one_name(tmp_path):
    whole = tmp_path / "out.csv.rows"
    mine = [Part(number, 2).own_file(whole) for number in (1, 2)]
    for path in [*mine, tmp_path / "other.csv.rows.1-of-2", tmp_path / "out.csv.rows.1-of-2.tmp"]:
        path.touch()
    assert files_of_parts(whole) == mine


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.wav"))}


def test_mixing_by_parts(tmp_path, capsys):
    root = write_corpus(tmp_path / "corpus", {"tr": 5, "cv": 2, "tt": 3})

    def mix(data, *more):
        words = ["mix", "--corpus", str(root), "--mix-lists", str(root), "--data", str(tmp_path / data), "--jobs", "1"]
        assert main([*words, *more]) == 0

    mix("whole")
    for part in ("1/2", "2/2"):
        mix("parts", "--part", part)
        assert not (tmp_path / "parts/tr").exists()
    made = files_of(tmp_path / "parts")
    assert len(made) == 3 * (5 + 2 + 3)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").rglob("*.wav")}
    mix("parts")
    assert made == files_of(tmp_path / "parts") == files_of(tmp_path / "whole")
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").rglob("*.wav")}
    for subset in ("tr", "cv", "tt"):
        names = [[utterance.id for utterance in read_data_dir(tmp_path / data / subset)] for data in ("parts", "whole")]
        assert names[0] == names[1]
    assert main(["mix", "--corpus", str(root), "--mix-lists", str(root), "--data", "x", "--part", "3/2"]) == 1
    assert "--part 3/2 found, K/N expected" in capsys.readouterr().err


@pytest.fixture
def subset(tmp_path):
    write_subset(tmp_path / "data", "tt", np.random.default_rng(1), GENDERS)
    return tmp_path / "data/tt"


def test_separating_by_parts(tmp_path, subset, monkeypatch):
    model = tmp_path / "model.pt"
    save_model(model, TasNet(ModelConfig(2, 8000, 8, 16, 8, 4, 4, 3, 2)).eval())
    separated = []
    real = separate_module._separated
    monkeypatch.setattr(separate_module, "_separated", lambda *words: (separated.append(1), real(*words))[1])

    def separate(out, *more):
        words = ["separate-set", "--subset", str(subset), "--model", str(model), "--out", str(tmp_path / out)]
        assert main([*words, "--cost", str(tmp_path / f"{out}.json"), *more]) == 0

    separate("whole")
    counts = []
    for number in (1, 2, 3):
        separated.clear()
        separate("parts", "--part", f"{number}/3")
        counts.append(len(separated))
        assert not (tmp_path / "parts.json").exists()
    assert counts == [2, 2, 1]
    separated.clear()
    separate("parts")
    assert not separated
    parts, whole = files_of(tmp_path / "parts"), files_of(tmp_path / "whole")
    assert list(parts) == list(whole) and len(whole) == 2 * len(GENDERS)
    for path in whole:  # the convolutions of torch round as the memory happens to lie
        one, two = (read_mono(tmp_path / out / path)[0] for out in ("parts", "whole"))
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-6)
    assert (tmp_path / "parts.json").read_text() == (tmp_path / "whole.json").read_text()
    journals = [sorted(path.name for path in (tmp_path / out).glob("done*")) for out in ("parts", "whole")]
    assert journals == [["done.jsonl"], ["done.jsonl"]]
    assert json.loads((tmp_path / "parts.json").read_text())["n_mixtures"] == len(GENDERS)


def test_scoring_by_parts(tmp_path, subset, monkeypatch, capsys):
    write_estimates(tmp_path / "est", read_data_dir(subset), NOISE["snn"])
    scored = []
    real = score_module.score_utterance
    monkeypatch.setattr(score_module, "score_utterance", lambda *words: (scored.append(words[0].id), real(*words))[1])

    def score(out, *more):
        words = ["score", "--subset", str(subset), "--est", str(tmp_path / "est"), "--out", str(tmp_path / out)]
        assert main([*words, "--jobs", "1", "--metrics", "stoi", *more]) == 0

    score("whole.csv")
    found = []
    for number in (1, 2):
        scored.clear()
        score("parts.csv", "--part", f"{number}/2")
        found += scored
        assert not (tmp_path / "parts.csv").exists()
    assert sorted(found) == [utterance.id for utterance in read_data_dir(subset)]
    assert "part 2/2: 2 mixtures in" in capsys.readouterr().out
    scored.clear()
    score("parts.csv")
    assert not scored
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not list(tmp_path.glob("parts.csv.*"))
    score("few.csv", "--part", "9/9")  # more parts than mixtures: nothing to do

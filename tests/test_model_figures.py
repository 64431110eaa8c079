"""The figures of a packed model: what score, cost and listening page say of the same audio."""

import json
import sys

import numpy as np
import pytest
import torch
from tiny_experiment import write_subset
from tiny_separator import few_bit_network, tiny_network

from benchmarks import model_figures
from spiking_tasnet.cli.main import main
from spiking_tasnet.files import write_json
from spiking_tasnet.separation import separate_set as separating
from spiking_tasnet.separation.audio.files import read_mono
from spiking_tasnet.separation.corpora.kaldi import Utterance, read_data_dir
from spiking_tasnet.separation.network import save_model
from spiking_tasnet.separation.packed import load_network
from spiking_tasnet.separation.scores.metrics import score_mixture
from spiking_tasnet.snn.energy import record_cost, total_cost

GENDERS = (("M", "F"), ("F", "M"), ("M", "M"), ("F", "F"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A packed model with facts, and data of two conditions."""
    folder = tmp_path_factory.mktemp("figures")
    for subset in ("tt", "cv"):
        write_subset(folder / "data", subset, np.random.default_rng(1), GENDERS)
    ann = tiny_network()
    ann.mask.weight.data += 0.1 * torch.randn(ann.mask.weight.shape, generator=torch.Generator().manual_seed(2))
    save_model(folder / "exp" / "ann" / "model.pt", ann)
    save_model(folder / "exp" / "snn" / "model.pt", few_bit_network())
    run = {"seed": 3, "hours": 1.5, "command": "spiking-tasnet train --data /some/where/data"}
    write_json(folder / "exp" / "ann" / "run.json", run)
    words = ["pack", folder / "exp" / "snn", "--ann", folder / "exp" / "ann", "-o", folder / "packed.pt"]
    assert main([str(word) for word in words]) == 0
    return folder


def run(monkeypatch, folder, out, *options, closed=True):
    """Run the benchmark; what it wrote and printed."""
    words = ["--open", f"two-bands={folder / 'data' / 'tt'}", "--out", str(out), *map(str, options)]
    words += ["--closed", f"two-bands={folder / 'data' / 'cv'}"] if closed else []
    monkeypatch.setattr(sys, "argv", ["benchmarks.model_figures", *words])
    model_figures.main()
    return json.loads((out / "figures.json").read_text())


@pytest.fixture(scope="module")
def measured(folder):
    with pytest.MonkeyPatch.context() as monkeypatch:
        return folder / "out", run(monkeypatch, folder, folder / "out", "--model", folder / "packed.pt")


def test_gains_are_those_of_each_network_run_by_itself(folder, measured):
    _, figures = measured
    for condition, subset in (("open", "tt"), ("closed", "cv")):
        found = figures["corpora"]["two-bands"][condition]
        assert found["mixtures"] == 4 and found["talkers"] == 8 and found["audio_seconds"] == 6.0
        gains = {}
        for system in ("ann", "snn"):
            network = load_network(folder / "packed.pt", ann=system == "ann")
            for utterance in read_data_dir(folder / "data" / subset):
                mixture, rate = read_mono(utterance.mixture)
                with torch.no_grad():
                    est_sources = network(torch.from_numpy(mixture)[None])[0].numpy()
                sources = np.stack([read_mono(path)[0] for path in utterance.sources])
                _, scores = score_mixture(est_sources, sources, mixture, rate, ["si_sdr", "pesq"])
                gains.setdefault(utterance.genders, {})[system] = scores
        groups = {"woman and man": gains.keys() - {("M", "M"), ("F", "F")}, "two men": [("M", "M")], "all": gains}
        for group, genders in groups.items():
            for system in ("ann", "snn"):
                mine = found["gains"][group][system]
                assert mine["n"] == len(genders)
                for metric in ("si_sdr_i", "pesq"):
                    expected = np.mean([gains[pair][system][metric] for pair in genders])
                    assert mine[metric] == pytest.approx(expected, abs=1e-4)
        assert found["gains"]["all"]["ann"]["si_sdr_i"] != found["gains"]["all"]["snn"]["si_sdr_i"]
        assert found["gains"]["all"]["mixture"]["si_sdr_i"] == pytest.approx(0.0, abs=1e-9)


def test_costs_are_those_of_the_whole_separator(folder, measured):
    _, figures = measured
    network, mixtures = load_network(folder / "packed.pt"), read_data_dir(folder / "data" / "tt")
    with record_cost(network) as costs, torch.no_grad():
        for utterance in mixtures:
            network(torch.from_numpy(read_mono(utterance.mixture)[0])[None])
    expected, found = total_cost(costs, 6.0)["total"], figures["corpora"]["two-bands"]["open"]["cost"]
    assert {"encoder", "mask", "decoder"} <= costs.keys()
    for mine, theirs in (("energy_ratio", "energy_ratio"), ("synops_ratio", "synops_ratio")):
        assert found[mine] == pytest.approx(expected[theirs], rel=1e-9) and found[mine] > 0
    firing = [cost for cost in costs.values() if cost.neuron_updates]
    mean = sum(cost.spikes_out for cost in firing) / sum(cost.neurons for cost in firing)
    assert found["spikes_per_neuron"] == pytest.approx(mean, rel=1e-9)


def test_the_model_is_described_without_the_machine_s_folders(folder, measured):
    _, figures = measured
    model = figures["model"]
    assert (model["num_steps"], model["weight_bits"], model["file"]) == (8, 8, "packed.pt")
    assert model["bytes"] == (folder / "packed.pt").stat().st_size and model["holds_both"]
    assert model["parameters"] == sum(values.numel() for values in tiny_network().parameters())
    assert figures["facts"]["ann"] == {"seed": 3, "hours": 1.5, "command": "spiking-tasnet train --data data"}
    assert str(folder) not in json.dumps(figures) and "two-bands=data/tt" in figures["measured"]["command"]


def test_the_same_command_again_separates_nothing_and_ends_the_same(folder, measured, monkeypatch, capsys):
    out, figures = measured

    def refuse(*_):
        raise AssertionError("separated again")

    monkeypatch.setattr(separating, "_separated", refuse)
    again = run(monkeypatch, folder, out, "--model", folder / "packed.pt")
    assert again["corpora"] == figures["corpora"]
    printed = capsys.readouterr().out
    assert "### two-bands, open condition: 4 mixtures of 8 talkers" in printed
    ann, snn = (figures["corpora"]["two-bands"]["closed"]["gains"]["all"][s]["si_sdr_i"] for s in ("ann", "snn"))
    assert f"| all | 4 | {ann:+.2f} | {snn:+.2f} | {snn - ann:+.2f} |" in printed


def test_two_files_of_the_same_networks_and_a_part_of_the_mixtures(folder, measured, tmp_path, monkeypatch):
    _, figures = measured
    options = ["--ann", folder / "exp" / "ann", "--snn", folder / "exp" / "snn" / "model.pt", "--limit", 2]
    found = run(monkeypatch, folder, tmp_path, *options, closed=False)
    assert not found["model"]["holds_both"] and found["facts"]["ann"]["seed"] == 3
    (part,) = found["corpora"]["two-bands"].values()
    assert part["mixtures"] == part["gains"]["all"]["snn"]["n"] == 2
    whole = figures["corpora"]["two-bands"]["open"]["gains"]  # of numbers 0 and 2: a man and a woman, two men
    assert part["gains"]["two men"]["ann"]["si_sdr_i"] == pytest.approx(whole["two men"]["ann"]["si_sdr_i"], abs=0.05)


def test_a_listening_page_is_made_of_what_it_leaves(folder, measured, tmp_path):
    out, _ = measured
    page = tmp_path / "listen.html"
    words = ["report", "--exp", out / "two-bands", "--data", folder / "data", "--page", page, "--link"]
    words += ["--example", "tt-mixture-2", "--credit", "Noise"]
    assert main([str(word) for word in words]) == 0
    text = page.read_text(encoding="utf-8")
    assert "two men" in text and "tt-mixture-2" in text and "heard in training" in text
    assert len(list((tmp_path / "listen").glob("*.flac"))) == 7


def test_languages_count_with_each_talker_and_rare_ones_together():
    spoken = {"a_0": "en", "b_0": "en", "c_0": "eo", "d_0": "th"}
    pairs = [("a_0", "b_0")] * 6 + [("a_0", "c_0")] * 5 + [("c_0", "b_0")] * 6 + [("d_0", "a_0")]
    utterances = [
        Utterance(f"{one}_{0.25 + n}_{two}_-{0.25 + n}", "m", (), (), ()) for n, (one, two) in enumerate(pairs)
    ]
    found = model_figures.by_language(utterances, spoken)
    assert {language: len(names) for language, names in found.items()} == {"en": 18, "eo": 11, "others": 1}
    assert model_figures.by_language(utterances[:6], spoken) == {}
    assert model_figures.recordings("two-men") == ()


def test_refusals(folder, tmp_path, monkeypatch):
    packed = folder / "packed.pt"
    cases = [
        ((), "--model FILE, or --ann FILE and --snn FILE expected"),
        (("--model", packed, "--snn", packed), "--model FILE, or"),
        (("--ann", packed), "--model FILE, or"),
        (("--model", packed, "--open", "nothing"), "NAME=DIR expected"),
        (("--model", packed, "--open", f"two-bands={tmp_path}"), "a name twice found"),
    ]
    for options, message in cases:
        with pytest.raises(ValueError, match=message):
            run(monkeypatch, folder, tmp_path, *options)
    save_model(tmp_path / "ann.pt", tiny_network())
    with pytest.raises(ValueError, match="no spiking layer found"):
        model_figures.describe(
            {"ann": model_figures.Model(packed, True), "snn": model_figures.Model(tmp_path / "ann.pt", False)}
        )
    (tmp_path / "table.tsv").write_text("path\tlang\na\ten\n")
    with pytest.raises(ValueError, match="columns path and language expected"):
        model_figures.read_languages(tmp_path / "table.tsv")

"""The examples of README and docs, run as they stand."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_experiment import speech_like
from tiny_separator import write_tiny_experiment

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "own_network.md"


@pytest.mark.slow
def test_a_network_of_ones_own_is_converted_in_under_40_lines(capfd, tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert sum(bool(line.strip()) for line in code.splitlines()) < 40
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore", UserWarning)  # Lightning's tips about loggers and workers
        exec(compile(code, str(PAGE), "exec"), names)
    printed = capfd.readouterr().out
    accuracies = [float(value) for value in re.findall(r"^[AS]NN .*'accuracy': ([\d.]+)", printed, flags=re.MULTILINE)]
    assert len(accuracies) == 2 and min(accuracies) > 0.95
    roles = [layer.role for layer in names["convertible_layers"](names["network"]).values()]
    assert roles == ["encoding", "spiking"]
    assert re.search(r"^0 +converted", printed, flags=re.MULTILINE) and "(Eq. 9)" in printed


def run_example(page, word, folder, monkeypatch):
    """Run the example of `page` that has `word` in it, with a model and a mixture where it looks for them."""
    (code,) = [code for code in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL) if word in code]
    write_tiny_experiment(folder / "exp" / "NAME")
    soundfile.write(folder / "mix.wav", speech_like(np.random.default_rng(0), 3.0, 16000), 16000)
    monkeypatch.chdir(folder)
    names: dict = {}
    exec(compile(code, str(page), "exec"), names)
    return code, names


def test_python_in_four_lines(tmp_path, monkeypatch):
    code, names = run_example(ROOT / "README.md", "Separator", tmp_path, monkeypatch)
    assert sum(bool(line.strip()) for line in code.splitlines()) == 4
    assert names["sources"].shape == (2, 48000) and np.abs(names["sources"]).max() > 0.01


def test_python_by_blocks(tmp_path, monkeypatch):
    _, names = run_example(ROOT / "docs" / "separate.md", "stream", tmp_path, monkeypatch)
    samples, rate = soundfile.read(tmp_path / "mix.wav")
    expected = names["separator"].separate(samples, rate)
    written = soundfile.read(tmp_path / "sources.wav")[0].T
    np.testing.assert_allclose(written, expected, atol=1e-6)


def test_every_key_of_the_report_is_explained():
    from spiking_tasnet.separation.separate_file import FileReport

    page = (ROOT / "docs" / "separate.md").read_text()
    keys = set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE))
    assert keys == set(FileReport("a").as_dict())

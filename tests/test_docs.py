"""The page about a network of one's own, run as it stands."""

import re
import warnings
from pathlib import Path

import pytest
import torch

PAGE = Path(__file__).parents[1] / "docs" / "own_network.md"


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

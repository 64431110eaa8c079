"""Every Python example of README and docs, run as it stands."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import soundfile
import torch
from tiny_experiment import speech_like
from tiny_separator import write_tiny_experiment

from spiking_tasnet.snn import convertible_layers

ROOT = Path(__file__).parents[1]


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def run(page: str, number: int, **names: object) -> tuple[str, dict]:
    """Run the example of this number on the page in the current folder; returns its code and what it defines."""
    code = python_blocks(ROOT / page)[number]
    exec(compile(code, f"{page}, example {number}", "exec"), names)
    return code, names


def lines(code: str) -> int:
    return sum(bool(line.strip()) for line in code.splitlines())


def test_every_example_is_run_here():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("*/*/*.md")]
    found = {page.relative_to(ROOT).as_posix(): len(python_blocks(page)) for page in pages if python_blocks(page)}
    run_here = re.findall(
        r"^    .*\brun\(\"(.+?)\", (\d)", Path(__file__).read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert sorted(run_here) == sorted((page, str(number)) for page in found for number in range(found[page]))


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """A folder with exp/NAME and mix.wav, which is the current one."""
    write_tiny_experiment(tmp_path / "exp" / "NAME")
    soundfile.write(tmp_path / "mix.wav", speech_like(np.random.default_rng(0), 3.0, 16000), 16000)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def quiet_lightning(tmp_path, monkeypatch):
    """Without Lightning's tips about loggers and workers; what it writes goes to a folder of its own."""
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore", UserWarning)
        yield


def test_separate_in_four_lines(experiment):
    code, names = run("README.md", 0)
    assert lines(code) == 4
    assert names["sources"].shape == (2, 48000) and np.abs(names["sources"]).max() > 0.01


def test_separate_by_blocks(experiment):
    _, names = run("docs/separate.md", 0)
    samples, rate = soundfile.read("mix.wav")
    expected = names["separator"].separate(samples, rate)
    np.testing.assert_allclose(soundfile.read("sources.wav")[0].T, expected, atol=1e-6)


class TwoImages(pl.LightningModule):
    """Stands for the reader's own module: tells a bright image from a dark one."""

    def __init__(self, network: torch.nn.Module):
        super().__init__()
        self.network = network

    def loss(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def training_step(self, batch, _):
        return self.loss(batch)

    def validation_step(self, batch, _):
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-3)

    def train_dataloader(self):
        images = torch.rand(4, 1, 28, 28) * torch.tensor([1.0, 0.1, 1.0, 0.1])[:, None, None, None]
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, torch.tensor([1, 0, 1, 0])), 2)

    val_dataloader = train_dataloader


def test_a_callback_converts_your_network(quiet_lightning, capfd):
    torch.manual_seed(0)
    _, names = run("README.md", 1, YourModule=TwoImages)
    assert [layer.role for layer in convertible_layers(names["network"]).values()] == ["encoding"]
    assert re.search(r"^0 +converted", capfd.readouterr().out, flags=re.MULTILINE)


@pytest.mark.slow
def test_a_network_of_ones_own_is_converted_in_under_40_lines(quiet_lightning, capfd):
    code, names = run("docs/own_network.md", 0)
    assert lines(code) < 40
    printed = capfd.readouterr().out
    accuracies = [float(value) for value in re.findall(r"^[AS]NN .*'accuracy': ([\d.]+)", printed, flags=re.MULTILINE)]
    assert len(accuracies) == 2 and min(accuracies) > 0.95
    roles = [layer.role for layer in convertible_layers(names["network"]).values()]
    assert roles == ["encoding", "spiking"]
    assert re.search(r"^0 +converted", printed, flags=re.MULTILINE) and "(Eq. 9)" in printed


def test_a_run_tells_what_lies_between_two_parts(capfd):
    _, names = run("docs/own_network.md", 1)
    message = capfd.readouterr().out
    assert message.startswith("layer 'second.0' is given a tensor though layers below it spike: something between")
    assert "reads counts" in message and not convertible_layers(names["network"])


def test_every_key_of_the_report_is_explained():
    from spiking_tasnet.separation.separate_file import FileReport

    page = (ROOT / "docs" / "separate.md").read_text()
    keys = set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE))
    assert keys == set(FileReport("a").as_dict())

"""Checkpoints through damage and sudden death: the run goes on, and ends as if nothing had happened."""

import logging
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_training import assert_same_state

from spiking_tasnet.files import remove_leftovers
from spiking_tasnet.training.checkpoint import find_checkpoint

# Trains in each of the folders that are given as FOLDER:NUMBER:WHERE, in a process of its own that knows torch already.
# It kills itself at the rename of that number to a checkpoint (from 1; 0 for never), or in the middle of writing it.
TRAINING = """
import os, signal, sys
import pytorch_lightning as pl
import torch
from pathlib import Path
from tiny_training import Classifier, data, mlp
from spiking_tasnet.training import BestState, fit

def train(out, number, where):
    counted, replace, save = [], os.replace, pl.Trainer.save_checkpoint

    def killing_replace(source, target):
        if str(target).endswith(".ckpt") and where == "rename":
            counted.append(target)
            if len(counted) == number:
                os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    def killing_save(self, path, **options):
        save(self, path, **options)
        if where == "write":
            counted.append(path)
            if len(counted) == number:
                os.truncate(path, os.path.getsize(path) // 2)
                os.kill(os.getpid(), signal.SIGKILL)

    os.replace, pl.Trainer.save_checkpoint = killing_replace, killing_save
    torch.manual_seed(0)
    module, loaders = Classifier(mlp()), pl.LightningDataModule()
    loaders.train_dataloader, loaders.val_dataloader = lambda: data((4,), 0), lambda: data((4,), 1)
    fit(module, loaders, out, [BestState()], metrics=["val_loss"], describe=str, max_epochs=4)
    torch.save(module.state_dict(), out / "end.pt")

for word in sys.argv[1:]:
    out, number, where = word.rsplit(":", 2)
    child = os.fork()
    if not child:
        train(Path(out), int(number), where)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
DEATHS = {"aside": "2:rename", "in its place": "3:rename", "half written": "3:write"}
HEALTHY = "0:rename"


def trainings(*words):
    """Exit codes of trainings, one after the other."""
    command = [sys.executable, "-W", "ignore", "-c", TRAINING, *words]
    path = ":".join([str(Path(__file__).parents[1] / "support"), *sys.path])
    environment = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A training that nothing interrupted, those that died, copied as they were found, and how they ended."""
    folder = tmp_path_factory.mktemp("runs")
    codes = trainings(f"{folder}/whole:{HEALTHY}", *(f"{folder}/{name}:{death}" for name, death in DEATHS.items()))
    assert codes == [0] + [-signal.SIGKILL] * len(DEATHS)
    shutil.copytree(folder / "whole", folder / "flipped").joinpath("end.pt").unlink()
    damage(folder / "flipped" / "last.ckpt", "flipped")
    for name in DEATHS:
        assert not (folder / name / "end.pt").exists() and find_checkpoint(folder / name / "last.ckpt") is not None
        assert any(path.name.startswith(".") for path in (folder / name).iterdir())  # what was being written
    assert set(trainings(*(f"{folder}/{name}:{HEALTHY}" for name in (*DEATHS, "flipped")))) == {0}
    return folder


@pytest.fixture
def whole(runs):
    return runs / "whole"


def assert_same_end(out, whole):
    """The same weights to the last bit, and the same history but for the seconds."""
    module = torch.nn.ParameterDict()
    module.state_dict = lambda: torch.load(out / "end.pt", weights_only=True)
    assert_same_state(module, torch.load(whole / "end.pt", weights_only=True))
    lines = [[line.rsplit(",", 1)[0] for line in (o / "history.csv").read_text().splitlines()] for o in (out, whole)]
    assert lines[0] == lines[1] and len(lines[0]) == 5


@pytest.mark.parametrize("name", [*DEATHS, "flipped"])
def test_killed_or_damaged_while_a_checkpoint_is_written_it_ends_the_same(name, runs):
    assert_same_end(runs / name, runs / "whole")
    remove_leftovers(runs / name)
    names = {"last.ckpt", "last.previous.ckpt", "history.csv", "end.pt"}
    assert {path.name for path in (runs / name).iterdir()} == names


def damage(path, how):
    data = bytearray(path.read_bytes())
    if how == "flipped":
        data[len(data) // 2] ^= 1
    path.write_bytes({"empty": b"", "half": data[: len(data) // 2], "text": b"hello", "flipped": data}[how])


@pytest.mark.parametrize("how", ["empty", "half", "flipped", "text"])
def test_the_epoch_before_is_taken_with_a_warning(how, whole, tmp_path, caplog):
    for name in ("last.ckpt", "last.previous.ckpt"):
        shutil.copy(whole / name, tmp_path / name)
    damage(tmp_path / "last.ckpt", how)
    with caplog.at_level(logging.WARNING):
        found = find_checkpoint(tmp_path / "last.ckpt")
    assert "last.ckpt: not a checkpoint of this toolkit: it is" in caplog.text
    assert "going on from the epoch before" in caplog.text
    # The damaged file is not kept as the good one's predecessor: a second blow would leave nothing.
    assert found.read_bytes() == (whole / "last.previous.ckpt").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_no_checkpoint_that_is_whole(whole, tmp_path):
    assert find_checkpoint(tmp_path / "last.ckpt") is None
    for name in ("last.ckpt", "last.previous.ckpt"):
        shutil.copy(whole / name, tmp_path / name)
        damage(tmp_path / name, "half")
    with pytest.raises(ValueError, match=r"last.ckpt: .* it is cut short; remove .* to train anew \(run.sh: --force\)"):
        find_checkpoint(tmp_path / "last.ckpt")


def test_a_file_of_tensors_that_is_no_checkpoint(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "last.ckpt")
    with pytest.raises(ValueError, match="last.ckpt: not a checkpoint of this toolkit: a part is missing"):
        find_checkpoint(tmp_path / "last.ckpt")

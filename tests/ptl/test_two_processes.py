"""Two processes give the run of one; whatever they measure apart they decide together, so none waits for the other."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[1] / "support/two_processes.py"
TIMEOUT = 120  # seconds; the processes need a few, and a deadlock would last for ever


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the processes of all cases left."""
    folder = tmp_path_factory.mktemp("processes")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment["PYTHONPATH"] = os.pathsep.join([str(SCRIPT.parents[2]), os.environ.get("PYTHONPATH", "")])
    log = folder / "log"
    with open(log, "wb") as stream:
        command = [sys.executable, str(SCRIPT), str(folder)]
        process = subprocess.Popen(command, env=environment, start_new_session=True, stdout=stream, stderr=stream)
        try:
            code = process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the processes wait for each other: {log.read_text()}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert code == 0, log.read_text()
    return folder


def left(folder, name):
    return torch.load(folder / f"{name}.pt", weights_only=True)


def test_two_processes_give_the_run_of_one(folder):
    one, first, second = (left(folder, name) for name in ("one.0", "two.0", "two.1"))
    assert first["records"] == second["records"] and len(one["records"]) == 3
    for mine, theirs in zip(one["records"], first["records"], strict=True):
        assert [mine[key] for key in ("layer", "role", "epochs")] == [
            theirs[key] for key in ("layer", "role", "epochs")
        ]
        for key in ("act_max", "threshold", "val_loss_before", "val_loss_converted", "val_loss_best"):
            assert theirs[key] == pytest.approx(mine[key], rel=1e-5), key
    assert_one_state(one, first, second)


def assert_one_state(one, first, second):
    for key, value in one["state"].items():
        assert torch.equal(first["state"][key], second["state"][key]), key
        torch.testing.assert_close(first["state"][key], value, rtol=1e-4, atol=1e-5)


def test_all_layers_at_once_on_two_processes_too(folder):
    one, first, second = (left(folder, name) for name in ("alone.0", "both.0", "both.1"))
    assert one["state"]["network.2.threshold"].min() > 0
    assert_one_state(one, first, second)


def test_processes_whose_losses_disagree_end_their_stages_together(folder):
    first, second = left(folder, "disagree.0"), left(folder, "disagree.1")
    assert first["records"] == second["records"]
    # The mean rises, so the state right after each conversion is the best, and patience ends the stage.
    assert [record["epochs"] for record in first["records"]] == [2, 2]


def test_a_failure_of_one_process_ends_all(folder):
    assert left(folder, "fail.1")["error"] == "ValueError: only this process meets it"
    assert "running the network failed in 1 of 2 processes" in left(folder, "fail.0")["error"]

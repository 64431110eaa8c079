"""Which process of a training writes, and what part of a batch each takes."""

import sys

import pytest
import torch

from spiking_tasnet import processes
from spiking_tasnet.config import read_config
from spiking_tasnet.parameters import SPEED_ONLY
from spiking_tasnet.processes import RANKS, ProcessConfig, is_first, keep_safe_path, part_of_batch
from spiking_tasnet.separation.config import Config as SeparationConfig
from spiking_tasnet.training.sampler import EpochSampler
from spiking_tasnet.vision.config import Config as VisionConfig


@pytest.mark.parametrize(
    "environment, first",
    [
        ({}, True),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True),  # Lightning's launcher
        ({"LOCAL_RANK": "1", "NODE_RANK": "0"}, False),
        ({"NODE_RANK": "1"}, False),  # started by hand on the second machine
        ({"RANK": "0", "LOCAL_RANK": "0", "GROUP_RANK": "0"}, True),  # torchrun
        ({"RANK": "4", "LOCAL_RANK": "0", "GROUP_RANK": "1"}, False),
        ({"SLURM_PROCID": "0"}, True),
        ({"SLURM_PROCID": "3"}, False),
    ],
)
def test_the_first_process_is_told_by_its_ranks(monkeypatch, environment, first):
    for rank in RANKS:
        monkeypatch.delenv(rank, raising=False)
    for rank, value in environment.items():
        monkeypatch.setenv(rank, value)
    assert is_first(ProcessConfig(devices=2)) == first
    assert is_first(ProcessConfig(devices=0)) == first
    assert is_first(ProcessConfig())  # tasks of a job array, each with a training of its own


@pytest.mark.parametrize("kind", [SeparationConfig, VisionConfig])
def test_they_are_settings_of_every_recipe(kind):
    config = read_config(kind, None, ["train.devices=2", "train.num_nodes=3", "train.strategy=ddp"])
    assert config.train.trainer_options() == {"devices": 2, "num_nodes": 3, "strategy": "ddp"}
    assert kind().train.trainer_options() == {"devices": 1, "num_nodes": 1, "strategy": "auto"}
    assert ProcessConfig(devices=0).trainer_options()["devices"] == "auto"
    assert {"train.devices", "train.num_nodes", "train.strategy"} <= set(SPEED_ONLY)
    with pytest.raises(ValueError, match="train: devices -1 and num_nodes 1 found, 0 .all GPUs. to 1024"):
        read_config(kind, None, ["train.devices=-1"])
    with pytest.raises(ValueError, match="train.strategy: 'fsdp' found, one of auto, ddp"):
        read_config(kind, None, ["train.strategy=fsdp"])


def test_every_process_takes_its_part_of_each_batch(monkeypatch):
    assert part_of_batch(7) == 7
    whole = EpochSampler(13, shuffle=True, seed=3)
    whole.set_epoch(2)
    batches = torch.tensor([index for _, index in whole])[:12].view(3, 4)
    parts = []
    for rank in (0, 1):
        monkeypatch.setattr(processes, "share", lambda rank=rank: (rank, 2))
        monkeypatch.setattr("spiking_tasnet.training.sampler.share", processes.share)
        assert part_of_batch(4) == 2 and len(whole) == 6
        parts.append(torch.tensor([index for _, index in whole]).view(3, 2))
    assert torch.equal(torch.cat(parts, dim=1).sort().values, batches.sort().values)
    with pytest.raises(ValueError, match="data.batch_size: 5 found, a multiple of the 2 processes expected"):
        part_of_batch(5)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="python -P is of 3.11")
def test_started_processes_do_not_import_from_the_callers_folder_either(monkeypatch):
    class Flags:
        safe_path = True

    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setattr(processes.sys, "flags", Flags())
    keep_safe_path()
    assert processes.os.environ["PYTHONSAFEPATH"] == "1"

"""On how many processes a training runs, and which of them writes files."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

# Lightning starts a process for each device by running the command again; every process but one ends inside `fit`.
STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true")
MOST_DEVICES = 1024
MOST_NODES = 65_536
# Ranks as Lightning's launcher, torchrun and SLURM set them; the first process has no other than 0.
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")


@dataclass(frozen=True)
class ProcessConfig:
    """Where a training runs; the batch stays that of all processes together.

    Attributes:
        devices: GPUs of each machine, or processes where there is no GPU, each with its part of every batch; 0 for all
            GPUs.
        num_nodes: machines; docs/cluster.md says how they are started.
        strategy: Lightning's, ``auto`` or ``ddp``.
    """

    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 0 <= self.devices <= MOST_DEVICES or not 1 <= self.num_nodes <= MOST_NODES:
            raise ValueError(
                f"train: devices {self.devices} and num_nodes {self.num_nodes} found, 0 (all GPUs) to {MOST_DEVICES} "
                f"devices and 1 to {MOST_NODES} nodes expected"
            )
        if self.strategy not in STRATEGIES:
            raise ValueError(f"train.strategy: {self.strategy!r} found, one of {', '.join(STRATEGIES)} expected")

    @property
    def is_one(self) -> bool:
        """Whether there is one process for certain."""
        return self.devices == self.num_nodes == 1

    def trainer_options(self) -> dict[str, Any]:
        """Arguments of `pl.Trainer`."""
        return {"devices": self.devices or "auto", "num_nodes": self.num_nodes, "strategy": self.strategy}


def is_first(config: ProcessConfig) -> bool:
    """Whether this process is the one that writes the files of a training, before Lightning has connected them."""
    return config.is_one or not any(int(os.environ.get(rank) or 0) for rank in RANKS)


def keep_safe_path() -> None:
    """Let the processes that Lightning starts find modules as this one does: not in the folder of the caller."""
    if getattr(sys.flags, "safe_path", False):  # python -P, since 3.11
        os.environ["PYTHONSAFEPATH"] = "1"


def share() -> tuple[int, int]:
    """Number of this process and of all, (0, 1) where Lightning has connected none."""
    import torch.distributed  # late: settings are read without torch

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def part_of_batch(batch_size: int) -> int:
    """Items of a batch that this process takes.

    Raises:
        ValueError: the batch cannot be divided among the processes.
    """
    _, processes = share()
    if batch_size % processes:
        raise ValueError(
            f"data.batch_size: {batch_size} found, a multiple of the {processes} processes expected: each takes a part "
            "of every batch"
        )
    return batch_size // processes

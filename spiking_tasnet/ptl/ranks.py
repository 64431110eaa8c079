"""What several processes of one training find out together, so that all of them decide alike.

A decision that each process takes from a number of its own (a loss of its part of the data) may differ between them;
then one waits for ever for a message that another never sends. Here every number is first made one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytorch_lightning as pl
import torch
import torch.distributed
from torch import Tensor

from spiking_tasnet.snn.threshold import OrderStatistic, nearest_rank


def agreed_means(trainer: pl.Trainer, values: Mapping[str, Tensor | None]) -> dict[str, float | None]:
    """Means over all processes, the same in each to the last bit.

    Args:
        trainer: whose processes they are. All must call, with the same names in the same order.
        values: of this process; None where it has none.

    Returns:
        The mean of each over the processes that have it; None where none has.
    """
    own = {name: None if value is None else float(value) for name, value in values.items()}
    if trainer.world_size == 1:
        return own
    rows = [[0.0, 0.0] if value is None else [value, 1.0] for value in own.values()]
    sums = _sum(trainer, torch.tensor(rows, dtype=torch.float64)).tolist()
    means = [total / count if count else None for total, count in sums]
    return dict(zip(own, trainer.strategy.broadcast(means), strict=True))


@contextmanager
def all_or_none(trainer: pl.Trainer, what: str) -> Iterator[None]:
    """Work of each process alone: when it fails in one, all raise, and none waits for it.

    The block must send no messages to other processes.

    Raises:
        RuntimeError: `what` failed elsewhere.
    """
    error: Exception | None = None
    try:
        yield
    except Exception as found:
        error = found
    failed = int(_sum(trainer, torch.tensor(float(error is not None)))) if trainer.world_size > 1 else 0
    if error is not None:
        raise error
    if failed:
        raise RuntimeError(
            f"{what} failed in {failed} of {trainer.world_size} processes and this one stops with them: "
            "their own messages say why"
        )


def order_statistic_over_ranks(trainer: pl.Trainer) -> OrderStatistic | None:
    """The percentile of the activations of all processes taken together; None where there is one process.

    The k-th largest value of all is among the k largest of each process, and a percentile of a threshold lies near the
    top, so little is sent.
    """
    if trainer.world_size == 1:
        return None

    def statistic(rows: Tensor, percentile: float) -> Tensor:
        total = int(_sum(trainer, torch.tensor(rows.shape[1], dtype=torch.float64)))
        from_top = total - nearest_rank(total, percentile) + 1
        largest = rows.topk(min(from_top, rows.shape[1]), dim=1).values
        padding = largest.new_full((len(rows), from_top - largest.shape[1]), -torch.inf)
        mine = torch.cat([largest, padding], dim=1).to(trainer.strategy.root_device)
        everyone = [torch.empty_like(mine) for _ in range(trainer.world_size)]
        torch.distributed.all_gather(everyone, mine)
        found = torch.cat(everyone, dim=1).topk(from_top, dim=1).values[:, -1]
        return trainer.strategy.broadcast(found.cpu())

    return statistic


def _sum(trainer: pl.Trainer, value: Tensor) -> Tensor:
    return trainer.strategy.reduce(value.to(trainer.strategy.root_device), reduce_op="sum").cpu()

"""What cannot be converted stage by stage, refused at the start of a fit, each in one sentence.

Every check reads settings and modules, which all processes share, so all refuse alike.
"""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from pytorch_lightning import callbacks as lightning_callbacks
from pytorch_lightning.callbacks import BaseFinetuning, EarlyStopping, ModelPruning, StochasticWeightAveraging
from pytorch_lightning.plugins.precision import DoublePrecision, MixedPrecision, Precision
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy
from pytorch_lightning.utilities.signature_utils import is_param_in_hook_signature
from torch import nn
from torch._dynamo import OptimizedModule
from torch.optim.swa_utils import AveragedModel

from spiking_tasnet.snn import ConvertibleLayer
from spiking_tasnet.snn.compose import convertible_layers
from spiking_tasnet.training.moving_average import MovingAverage

AVERAGING = tuple(
    kind
    for kind in (MovingAverage, StochasticWeightAveraging, getattr(lightning_callbacks, "WeightAveraging", None))
    if kind is not None  # Lightning has the last one since 2.6
)
PRECISIONS = (Precision, DoublePrecision, MixedPrecision)  # exactly these: others are subclasses of the first


def check_trainer(trainer: pl.Trainer) -> None:
    """Refuse a trainer, and callbacks, beside which stages cannot be right.

    Raises:
        ValueError: naming what was found.
    """
    check_devices(trainer)
    for callback in trainer.callbacks:  # pyright: ignore[reportAttributeAccessIssue]
        _check_callback(callback)
    _check_epochs(trainer)


def check_devices(trainer: pl.Trainer) -> None:
    """Refuse a strategy or a precision in which a layer cannot be converted.

    Raises:
        ValueError: naming what was found.
    """
    strategy, precision = trainer.strategy, trainer.precision_plugin
    if not isinstance(strategy, SingleDeviceStrategy | DDPStrategy):
        raise ValueError(
            f"strategy {type(strategy).__name__} found, one device or ddp expected: layers are frozen and converted "
            "while they are trained, and parameters that are cut into pieces cannot be"
        )
    if type(precision) not in PRECISIONS:
        raise ValueError(
            f"precision {precision.precision} found, 32-true, 64-true, bf16-mixed or 16-mixed expected: thresholds and "
            "weights of converted layers need more digits than these parameters have"
        )


def _check_callback(callback: pl.Callback) -> None:
    name = type(callback).__name__
    averages = any(isinstance(value, AveragedModel) for value in vars(callback).values())
    if isinstance(callback, AVERAGING) or averages:
        raise ValueError(
            f"{name} found, which averages weights over steps: a conversion gives them another meaning, so use it to "
            "train the ANN and remove it for the conversion"
        )
    if isinstance(callback, EarlyStopping):
        raise ValueError(
            f"{name} found, which would end the training in the middle of the conversion, since a conversion raises "
            "the loss: remove it; stages end by PTLConfig.patience"
        )
    if isinstance(callback, BaseFinetuning | ModelPruning):
        raise ValueError(
            f"{name} found, which freezes, releases or replaces parameters as progressive tandem learning does: use "
            "it to train the ANN and remove it for the conversion"
        )


def _check_epochs(trainer: pl.Trainer) -> None:
    loop = trainer.fit_loop
    if (loop.min_epochs or 0) > 1 or loop.epoch_loop.min_steps:
        raise ValueError(
            f"min_epochs {loop.min_epochs} and min_steps {loop.epoch_loop.min_steps} found, none expected: the "
            "conversion ends with its last stage, and further epochs would change what it chose"
        )
    every, interval = trainer.check_val_every_n_epoch, getattr(trainer, "_val_check_time_interval", None)
    if every != 1 or interval is not None:
        found = f"check_val_every_n_epoch={every}" if interval is None else "a val_check_interval in time"
        raise ValueError(f"{found} found, a validation in every epoch expected: patience counts validated epochs")
    if any(count == torch.inf for count in trainer.num_val_batches):
        raise ValueError("an endless validation set found: set limit_val_batches to a number of batches")


def check_steps(module: pl.LightningModule, *, runs_batches: bool) -> None:
    """Refuse a module on which nothing can be measured.

    Args:
        module: that is fitted.
        runs_batches: whether the user says how a batch is run, so that `training_step` is not called.

    Raises:
        ValueError: naming what was found.
    """
    takes_loader = is_param_in_hook_signature(module.training_step, "dataloader_iter", explicit=True)
    if not runs_batches and (takes_loader or not module.automatic_optimization):
        raise ValueError(
            f"{'dataloader_iter in training_step' if takes_loader else 'manual optimisation'} found: thresholds are "
            "measured without training, so say how a batch is run, such as run_batch=lambda module, batch: "
            "module(batch[0])"
        )
    compiled = getattr(module, "_compiler_ctx", None) is not None
    if compiled or any(isinstance(part, OptimizedModule) for part in module.modules()):
        raise ValueError(
            "a module of torch.compile found, in which measurements of layers do not run: give the module as it was "
            "before it was compiled"
        )


def check_network(module: pl.LightningModule, network: str | None) -> None:
    """Refuse a module whose network cannot be told, or not folded.

    Args:
        module: that is fitted.
        network: name of the submodule to convert, ``""`` for the module itself, or None where the user names none.

    Raises:
        ValueError: naming what was found.
    """
    parts = dict(module.named_modules())
    if network and network not in parts:
        raise ValueError(f"network {network!r} found, the name of a submodule of {type(module).__name__} expected")
    scope = parts[network or ""]
    averaged = [name for name, part in scope.named_modules() if isinstance(part, AveragedModel)]
    if averaged:
        raise ValueError(
            f"an AveragedModel found at {averaged[0]!r}: name the network to convert, which is not the average, as in "
            "ProgressiveTandemLearning(network='network')"
        )
    if network is None:
        _check_one_network(module)
    for name, layer in convertible_layers(scope).items():
        if layer.norm is not None and layer.norm.running_mean is None and not layer.settings.folded:
            raise ValueError(
                f"layer {name!r}: a batch norm without running statistics found, which has nothing fixed to fold; "
                "set track_running_stats=True and train the ANN with it"
            )


def _check_one_network(module: pl.LightningModule) -> None:
    """Refuse copies of one network, such as a student and the teacher that follows it: which one is meant?"""
    networks: list[tuple[str, nn.Module]] = []
    for name, child in module.named_children():
        if isinstance(child, ConvertibleLayer) or not convertible_layers(child):
            continue
        for other, before in networks:
            if _copies(before, child):
                raise ValueError(
                    f"{other!r} and {name!r} are networks of the same layers, one a copy of the other or frozen: name "
                    f"the one to convert, such as ProgressiveTandemLearning(network={other!r})"
                )
        networks.append((name, child))


def _copies(one: nn.Module, two: nn.Module) -> bool:
    """Whether two networks have the same layers, and either the same weights or one of them is not trained at all."""
    mine, other = dict(one.named_parameters()), dict(two.named_parameters())
    if [(name, value.shape) for name, value in mine.items()] != [(name, value.shape) for name, value in other.items()]:
        return False
    trained = [any(value.requires_grad for value in values.values()) for values in (mine, other)]
    return trained[0] != trained[1] or all(torch.equal(value, other[name]) for name, value in mine.items())

"""What cannot be converted stage by stage is refused before anything is written, in one sentence."""

import copy

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import (
    BackboneFinetuning,
    EarlyStopping,
    ModelPruning,
    StochasticWeightAveraging,
)
from tiny_training import Classifier, Manual, data, mlp
from torch import nn
from torch.optim.swa_utils import AveragedModel

from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig
from spiking_tasnet.snn import ConvertibleLayer, convertible_layers
from spiking_tasnet.training import MovingAverage

CONFIG = PTLConfig(num_steps=8, patience=1, max_epochs_per_stage=2)


def fitted(module, callbacks=(), ptl=None, **options):
    fit_options = {
        "max_epochs": 8,
        "callbacks": [*callbacks, ptl or ProgressiveTandemLearning(CONFIG)],
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    } | options
    run = pl.Trainer(**fit_options)
    run.fit(module, data((4,), 0), data((4,), 1))
    return run


class TakesLoader(Classifier):
    def training_step(self, dataloader_iter):
        batch, index, _ = next(dataloader_iter)
        return super().training_step(batch, index)


class Taught(Classifier):
    """Holds a teacher that its training step runs."""

    def __init__(self, network, teacher):
        super().__init__(network)
        self.teacher = teacher

    def training_step(self, batch, index):
        with torch.no_grad():
            self.teacher(batch[0])
        return super().training_step(batch, index)


def unnormalised():
    norm = nn.BatchNorm1d(24, track_running_stats=False)
    return nn.Sequential(nn.Linear(4, 16), ConvertibleLayer(nn.Linear(16, 24), norm), nn.Linear(24, 3))


def compiled_inside():
    network = mlp()
    network[1] = torch.compile(network[1], backend="eager")
    return network


class Sharded(pl.strategies.SingleDeviceStrategy.__base__):
    """Stands for every strategy that is neither one device nor DDP."""


MODULES = {
    "manual optimisation": (lambda: Manual(mlp()), "manual optimisation found: .* run_batch=lambda"),
    "dataloader_iter": (lambda: TakesLoader(mlp()), "dataloader_iter in training_step found"),
    "torch.compile": (lambda: Classifier(compiled_inside()), "a module of torch.compile found"),
    "a teacher": (lambda: (lambda net: Taught(net, copy.deepcopy(net)))(mlp()), "'network' and 'teacher' are networks"),
    "a frozen teacher": (lambda: Taught(mlp(), mlp().requires_grad_(False)), "'network' and 'teacher' are networks"),
    "an averaged model": (lambda: Taught(mlp(), AveragedModel(mlp())), "an AveragedModel found at 'teacher'"),
    "no running statistics": (lambda: Classifier(unnormalised()), "layer 'network.1': a batch norm without running"),
}


@pytest.mark.filterwarnings("ignore:.*`dataloader_iter`")
@pytest.mark.parametrize("case", MODULES)
def test_modules(case):
    make, message = MODULES[case]
    module = make()
    with pytest.raises(ValueError, match=message):
        fitted(module)
    assert not any(layer.is_converted for layer in convertible_layers(module).values())


class Backbone(Classifier):
    @property
    def backbone(self):
        return self.network[0]


TRAINERS = {
    "stochastic weight averaging": ({"callbacks": [StochasticWeightAveraging(1e-3)]}, "averages weights over steps"),
    "our moving average": ({"callbacks": [MovingAverage(0.9)]}, "MovingAverage found, which averages weights"),
    "early stopping": ({"callbacks": [EarlyStopping("val_loss")]}, "EarlyStopping found, .* remove it"),
    "finetuning": ({"callbacks": [BackboneFinetuning()]}, "BackboneFinetuning found, which freezes"),
    "pruning": ({"callbacks": [ModelPruning("l1_unstructured", amount=0.1)]}, "ModelPruning found, which freezes"),
    "bf16-true": ({"precision": "bf16-true"}, "precision bf16-true found, 32-true, 64-true"),
    "min_epochs": ({"min_epochs": 4}, "min_epochs 4 and min_steps None found, none expected"),
    "min_steps": ({"min_steps": 40}, "min_steps 40 found, none expected"),
    "every second epoch": ({"check_val_every_n_epoch": 2}, "check_val_every_n_epoch=2 found, a validation in every"),
}


@pytest.mark.parametrize("case", TRAINERS)
def test_trainers_and_callbacks(case):
    options, message = TRAINERS[case]
    module = Backbone(mlp())
    with pytest.raises(ValueError, match=message):
        fitted(module, **{"callbacks": (), **options})
    assert not any(layer.is_converted for layer in convertible_layers(module).values())


def test_weight_averaging_of_lightning():
    averaging = getattr(pl.callbacks, "EMAWeightAveraging", None)
    if averaging is None:
        pytest.skip("this version of Lightning has none")
    with pytest.raises(ValueError, match="EMAWeightAveraging found, which averages weights over steps"):
        fitted(Classifier(mlp()), [averaging()])


def test_a_network_that_does_not_exist_and_stages_of_another_one():
    with pytest.raises(ValueError, match="network 'net' found, the name of a submodule of Classifier expected"):
        fitted(Classifier(mlp()), ptl=ProgressiveTandemLearning(CONFIG, network="net"))
    ptl = ProgressiveTandemLearning(CONFIG)
    module = Classifier(mlp())
    fitted(module, ptl=ptl)
    before = {key: value for key, value in module.state_dict().items() if hasattr(value, "shape")}
    fitted(module, ptl=ptl)  # a second fit has nothing to do
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items() if key in before)
    with pytest.raises(ValueError, match="stages of another network found in the callback"):
        fitted(Classifier(mlp()), ptl=ptl)


def test_a_strategy_that_cuts_parameters_into_pieces():
    ptl, module = ProgressiveTandemLearning(CONFIG), Classifier(mlp())
    run = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    run.strategy.__class__ = Sharded
    with pytest.raises(ValueError, match="strategy Sharded found, one device or ddp expected"):
        ptl.on_train_start(run, module)

"""Algorithm 1 on an MLP and a 2-D CNN: stages, patience, reload, freezing, resume."""

import logging

import pytest
import pytorch_lightning as pl
import torch
from tiny_training import Classifier, PowerCut, assert_same_state, data, fit, mlp, pretrained, trainer
from torch import nn

from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig
from spiking_tasnet.snn import Constraints, ConvertibleLayer, convertible_layers
from spiking_tasnet.snn.constraints import violations
from spiking_tasnet.training import EpochCheckpoint


def cnn():
    return nn.Sequential(
        ConvertibleLayer(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)),
        ConvertibleLayer(nn.Conv2d(6, 8, 3, stride=2), nn.BatchNorm2d(8)),
        nn.Flatten(),
        ConvertibleLayer(nn.Linear(8 * 9, 16)),
        nn.Linear(16, 3),
    )


CASES = {"mlp": (mlp, (4,), ["encoding", "spiking"]), "cnn": (cnn, (1, 8, 8), ["encoding", "spiking", "spiking"])}


@pytest.mark.parametrize("case", CASES)
def test_every_layer_is_converted_in_order_and_learning_goes_on(case):
    make, shape, roles = CASES[case]
    module = pretrained(make, shape)
    ptl = ProgressiveTandemLearning(PTLConfig(num_steps=8, patience=2, max_epochs_per_stage=4))
    run = fit(module, shape, [ptl])
    assert ptl.finished
    assert [layer.role for layer in convertible_layers(module).values()] == roles
    assert [record.role for record in ptl.records] == roles
    assert sum(record.epochs for record in ptl.records) == run.current_epoch
    for record in ptl.records:
        assert record.val_loss_best <= record.val_loss_converted
        assert record.threshold == pytest.approx(record.act_max / 8)
    for earlier, later in zip(ptl.records, ptl.records[1:], strict=False):
        assert later.val_loss_before == earlier.val_loss_best


class Watch(pl.Callback):
    """Keep the parameters and batch norm statistics at each stage's start and end."""

    def __init__(self, ptl):
        self.ptl, self.stage, self.states, self.checked = ptl, 0, {}, 0

    def on_train_epoch_start(self, trainer, pl_module):
        state = {key: value.clone() for key, value in pl_module.state_dict().items() if hasattr(value, "clone")}
        stage = self.ptl.records[-1].ptl_stage
        if stage == self.stage:  # a later epoch of the stage: everything below is untouched
            for key in self.frozen_keys():
                assert torch.equal(state[key], self.states[stage][key]), key
                self.checked += 1
        else:
            self.stage = stage
            self.states[stage] = state

    def frozen_keys(self):
        place = int(self.ptl.records[-1].layer.split(".")[1])
        return [key for key in self.states[self.stage] if int(key.split(".")[1]) < place]


def test_what_lies_below_is_frozen_weights_and_statistics():
    module = pretrained(mlp, (4,))
    ptl = ProgressiveTandemLearning(PTLConfig(num_steps=8, patience=1, max_epochs_per_stage=3))
    watch = Watch(ptl)
    first = module.network[0].weight.clone()
    fit(module, (4,), [ptl, watch])
    assert watch.checked > 0
    assert torch.equal(module.network[0].weight, first)
    # a frozen layer is the same from the end of its stage on
    end_of_run = module.state_dict()
    for key in ("network.1.operator.weight", "network.1.norm.running_mean", "network.1.threshold"):
        assert torch.equal(end_of_run[key], watch.states[2][key])


def test_best_state_of_the_stage_is_reloaded_before_the_next_threshold(monkeypatch):
    module = pretrained(mlp, (4,))
    losses = iter([0.3, 0.2, 0.5, 0.6, 0.4, 0.4])  # stage 1: best is the second epoch; patience 2 ends after four
    ptl = ProgressiveTandemLearning(PTLConfig(num_steps=8, patience=2))
    states = []

    class Steer(pl.Callback):
        """Before PTL looks, put a known loss in place and keep the state."""

        def on_train_epoch_end(self, trainer, pl_module):
            trainer.callback_metrics["val_loss"] = torch.tensor(next(losses))
            states.append(pl_module.network[1].operator.weight.detach().clone())

    monkeypatch.setattr(
        "spiking_tasnet.ptl.callback.validate", lambda trainer, module, names: dict.fromkeys(names, 1.0)
    )
    monkeypatch.setattr(
        pl.Trainer, "callback_metrics", property(lambda self: self.__dict__.setdefault("_metrics", {})), raising=False
    )
    run = trainer([Steer(), ptl], 6)
    # the plateau schedule reads Lightning's own metrics; none is needed here
    module.configure_optimizers = lambda: torch.optim.Adam(module.parameters(), lr=5e-3)
    run.fit(module, data((4,), 0), data((4,), 1))
    assert [record.epochs for record in ptl.records] == [4, 2]
    assert [record.val_loss_best for record in ptl.records] == [pytest.approx(0.2), pytest.approx(0.4)]
    assert torch.equal(module.network[1].operator.weight, states[1])
    assert not torch.equal(states[1], states[3])


def test_resume_in_the_middle_of_a_stage_equals_the_uninterrupted_run(tmp_path):
    def start():
        module = pretrained(mlp, (4,), epochs=3)
        torch.manual_seed(5)
        ptl = ProgressiveTandemLearning(PTLConfig(num_steps=8, patience=3, max_epochs_per_stage=4))
        return module, ptl

    module, ptl = start()
    fit(module, (4,), [ptl, EpochCheckpoint(tmp_path / "whole.ckpt")])
    expected, records = module.state_dict(), ptl.records
    assert ptl.finished and records[0].epochs == 4

    for epoch in (2, 5):  # in the middle of stage 1, and of stage 2
        module, ptl = start()
        path = tmp_path / f"{epoch}.ckpt"
        with pytest.raises(RuntimeError, match="power cut"):
            fit(module, (4,), [ptl, EpochCheckpoint(path), PowerCut(epoch)])
        torch.manual_seed(123)  # another process starts with another random state
        module, ptl = Classifier(mlp()), ProgressiveTandemLearning(ptl.config)
        fit(module, (4,), [ptl, EpochCheckpoint(path)], ckpt_path=path, weights_only=True)
        assert ptl.records == records
        assert_same_state(module, expected)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "settings", [{"weight_bits": 4}, {"weight_bits": 5, "per_channel": True, "fan_in": 6}, {"fan_in": 6}]
)
def test_the_converted_network_obeys_its_constraints(case, settings):
    make, shape, roles = CASES[case]
    module = pretrained(make, shape)
    ptl = ProgressiveTandemLearning(PTLConfig(num_steps=8, patience=1, max_epochs_per_stage=2, **settings))
    fit(module, shape, [ptl])
    assert ptl.finished
    constraints = Constraints(**settings)
    for name, layer in convertible_layers(module).items():
        assert layer.settings.constraints == constraints
        weight, bias = layer.effective_weights()
        assert violations(weight, bias, constraints) == [], name
        if "weight_bits" in settings:  # the full-precision copy is what was trained
            assert violations(layer.operator.weight, None, Constraints(settings["weight_bits"]))
    for record in ptl.records:
        assert record.val_loss_best <= record.val_loss_converted


@pytest.mark.parametrize("case", CASES)
def test_phased_neurons_learn_too(case):
    make, shape, _ = CASES[case]
    module = pretrained(make, shape)
    config = PTLConfig(num_steps=4, v_init=0.5, firing="phased", patience=1, max_epochs_per_stage=2)
    ptl = ProgressiveTandemLearning(config)
    fit(module, shape, [ptl])
    assert ptl.finished
    assert {layer.settings.firing for layer in convertible_layers(module).values()} == {"phased"}
    assert ptl.records[-1].val_loss_best <= ptl.records[-1].val_loss_converted
    assert {config.settings(method).firing for method in ("rate", "surrogate")} == {"immediate"}


def test_a_run_too_short_says_so(caplog):
    module = pretrained(mlp, (4,), epochs=1)
    ptl = ProgressiveTandemLearning(PTLConfig(num_steps=4, patience=5))
    with caplog.at_level(logging.WARNING):
        fit(module, (4,), [ptl], max_epochs=2)
    assert not ptl.finished
    assert "ended in stage 1 of 2" in caplog.text


def test_mistakes_are_told():
    module = Classifier(nn.Linear(4, 3))
    with pytest.raises(ValueError, match="no convertible layer found"):
        fit(module, (4,), [ProgressiveTandemLearning()], 1)
    with pytest.raises(ValueError, match="validation_step logs val_loss, 'val_acc' expected"):
        fit(Classifier(mlp()), (4,), [ProgressiveTandemLearning(monitor="val_acc")], 1)
    with pytest.raises(ValueError, match="num_steps"):
        PTLConfig(num_steps=0)
    dead = Classifier(mlp())
    dead.network[1].norm.bias.data.fill_(-100)
    with pytest.raises(ValueError, match="layer 'network.1' is dead"):
        fit(dead, (4,), [ProgressiveTandemLearning(PTLConfig(num_steps=4))], 1)

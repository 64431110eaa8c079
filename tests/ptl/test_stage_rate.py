"""The learning rate inside a stage, annealed or not, and that of the joint stage."""

import pytest
import pytorch_lightning as pl
import torch
from tiny_training import Classifier, PowerCut, assert_same_state, fit, mlp, pretrained

from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig
from spiking_tasnet.training import EpochCheckpoint

LR, BATCHES = 5e-3, 5  # of `tiny_training`
CONFIG = PTLConfig(num_steps=8, patience=9, max_epochs_per_stage=3, joint_epochs=4, joint_lr=1e-3, anneal=True)


class Rates(pl.Callback):
    """Stage and learning rate of every step."""

    def __init__(self, ptl):
        self.ptl, self.seen = ptl, []

    def on_train_batch_end(self, trainer, pl_module, *_):
        self.seen.append((len(self.ptl.records), trainer.optimizers[0].param_groups[0]["lr"]))

    def of_stage(self, stage):
        return torch.tensor([rate for seen, rate in self.seen if seen == stage], dtype=torch.float64)


def run(config, module=None, callbacks=(), **kwargs):
    module, ptl = module or pretrained(mlp, (4,), epochs=1), ProgressiveTandemLearning(config)
    rates = Rates(ptl)
    torch.manual_seed(1)
    fit(module, (4,), [ptl, rates, *callbacks], **kwargs)
    return module, ptl, rates


def test_an_annealed_rate_falls_linearly_in_each_stage_and_starts_anew():
    _, ptl, rates = run(CONFIG)
    assert ptl.finished and [record.epochs for record in ptl.records] == [3, 3, 4]
    for stage, start, epochs in ((1, LR, 3), (2, LR, 3), (3, 1e-3, 4)):
        steps = epochs * BATCHES
        expected = start * (1 - torch.arange(steps, dtype=torch.float64) / steps)
        torch.testing.assert_close(rates.of_stage(stage), expected)
        assert rates.of_stage(stage)[-1] < 0.1 * start


def test_a_power_cut_changes_neither_rates_nor_weights(tmp_path):
    whole, ptl, rates = run(CONFIG)
    for epoch in (1, 7):  # in the middle of stage 1, and of the joint one
        path = tmp_path / f"{epoch}.ckpt"
        with pytest.raises(RuntimeError, match="power cut"):
            run(CONFIG, callbacks=[EpochCheckpoint(path), PowerCut(epoch)])
        other = Classifier(mlp())
        module, again, resumed = run(CONFIG, other, [EpochCheckpoint(path)], ckpt_path=str(path), weights_only=True)
        assert again.records == ptl.records
        assert resumed.seen == rates.seen[epoch * BATCHES :]
        assert_same_state(module, whole.state_dict())


class Cosine(Classifier):
    """Two parameter groups, and a schedule that computes from `base_lrs`."""

    def configure_optimizers(self):
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        groups = [{"params": trained[:1], "lr": 4e-3}, {"params": trained[1:], "lr": 2e-3}]
        optimizer = torch.optim.Adam(groups)
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)]


@pytest.mark.parametrize("kind", [Classifier, Cosine])
def test_the_joint_stage_has_a_rate_of_its_own_in_the_modules_schedule(kind):
    module, groups = pretrained(mlp, (4,), epochs=1), []
    module.__class__ = kind

    class Groups(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            groups.append([group["lr"] for group in trainer.optimizers[0].param_groups])

    config = PTLConfig(num_steps=8, patience=9, max_epochs_per_stage=1, joint_epochs=3, joint_lr=4e-4)
    run(config, module, [Groups()])
    assert groups[1][0] == pytest.approx({Classifier: LR, Cosine: 4e-3}[kind])
    joint = torch.tensor(groups[2:])
    assert joint[0, 0].item() == pytest.approx(4e-4)
    if kind is Cosine:  # the groups keep their proportion, and the fall is that of a rate ten times smaller
        fall = torch.cos(torch.pi * torch.arange(3) / 4).add(1).div(2)
        torch.testing.assert_close(joint, fall[:, None] * torch.tensor([4e-4, 2e-4]))


def test_without_it_the_rate_is_the_modules_own():
    _, _, rates = run(PTLConfig(num_steps=8, patience=9, max_epochs_per_stage=1))
    assert {rate for _, rate in rates.seen} == {LR}


def test_stages_of_unknown_length_cannot_be_annealed():
    with pytest.raises(ValueError, match="ptl.anneal: stages of a known length expected; set ptl.max_epochs"):
        PTLConfig(anneal=True)
    with pytest.raises(ValueError, match="joint_lr"):
        PTLConfig(joint_lr=-1.0)

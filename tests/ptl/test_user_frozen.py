"""What the user has frozen stays frozen through all stages and a resume, batch norms included."""

import pytest
import pytorch_lightning as pl
import torch
from tiny_training import Classifier, PowerCut, fit, mlp, pretrained

from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig
from spiking_tasnet.training import EpochCheckpoint

CONFIG = PTLConfig(num_steps=8, patience=1, max_epochs_per_stage=2)


class Filtered(Classifier):
    """Gives the optimiser only what is trained, so a checkpoint fits only where the same is frozen."""

    def configure_optimizers(self):
        return torch.optim.Adam([value for value in self.parameters() if value.requires_grad], lr=5e-3)


class Trained(pl.Callback):
    def __init__(self):
        self.names = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.names.append({name for name, value in pl_module.named_parameters() if value.requires_grad})


@pytest.mark.parametrize("cut", [None, 1, 3])
def test_a_frozen_layer_above_the_stage_is_not_released_when_a_stage_ends(tmp_path, cut):
    def start():
        module = pretrained(mlp, (4,))
        module.__class__ = Filtered
        module.network[3].requires_grad_(False)
        return module, ProgressiveTandemLearning(CONFIG), Trained()

    (module, ptl, trained), path = start(), tmp_path / "last.ckpt"
    norm = {key: value.clone() for key, value in module.network[3].norm.named_parameters()}
    if cut is None:
        fit(module, (4,), [ptl, trained])
    else:
        with pytest.raises(RuntimeError, match="power cut"):
            fit(module, (4,), [ptl, EpochCheckpoint(path), PowerCut(cut)])
        module, ptl, trained = start()
        fit(module, (4,), [ptl, trained, EpochCheckpoint(path)], ckpt_path=str(path), weights_only=True)
    assert ptl.finished
    assert not any(name.startswith("network.3.") for names in trained.names for name in names)
    assert {"network.4.weight", "network.4.bias"} <= trained.names[-1]
    for key, value in module.network[3].norm.named_parameters():
        assert torch.equal(value, norm[key]), key


@pytest.mark.parametrize("frozen", [False, True])
def test_a_computed_weight_becomes_a_parameter_that_is_trained_unless_it_was_frozen(frozen):
    torch.manual_seed(0)
    module, ptl, trained = Filtered(mlp()), ProgressiveTandemLearning(CONFIG), Trained()
    torch.nn.utils.parametrizations.weight_norm(module.network[1].operator)
    module.network[1].operator.requires_grad_(not frozen)
    fit(module, (4,), [ptl, trained])
    assert ptl.finished and "weight" in dict(module.network[1].operator.named_parameters())
    assert ("network.1.operator.weight" in trained.names[0]) == (not frozen)
    assert "network.1.operator.weight" not in trained.names[-1]  # below the last stage

"""Lightning's `ModelCheckpoint` beside the conversion keeps the best of the last stage; a run goes on from it."""

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from tiny_training import Classifier, data, mlp, pretrained, trainer

from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig
from spiking_tasnet.snn import convertible_layers


def run(callbacks, module, max_epochs=12, **options):
    run = trainer(callbacks, max_epochs, enable_checkpointing=True)
    run.fit(module, data((4,), 0), data((4,), 1), **options)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_best_is_fully_converted(tmp_path, mode):
    class Scored(Classifier):
        def validation_step(self, batch, index):
            super().validation_step(batch, index)
            right = (self.network(batch[0]).argmax(1) == batch[1]).float().mean()
            self.log("val_accuracy", right)

    module = pretrained(mlp, (4,))
    module.__class__ = Scored
    best = ModelCheckpoint(tmp_path, monitor="val_loss" if mode == "min" else "val_accuracy", mode=mode)
    # With two steps a conversion costs much, so the best of the whole training is the state with one analog layer.
    ptl = ProgressiveTandemLearning(PTLConfig(num_steps=2, patience=1, max_epochs_per_stage=2))
    run([ptl, best], module)
    assert ptl.finished
    state = torch.load(best.best_model_path, weights_only=True)["state_dict"]
    found = Classifier(mlp())
    found.load_state_dict(state)
    assert all(layer.is_converted for layer in convertible_layers(found).values())
    if mode == "min":
        assert best.best_model_score.item() >= ptl.records[-1].val_loss_best
        assert best.best_model_score.item() > ptl.records[0].val_loss_best


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_going_on_from_a_checkpoint_of_lightning_equals_the_whole_run(tmp_path):
    config = PTLConfig(num_steps=8, patience=3, max_epochs_per_stage=3)

    def start():
        module = pretrained(mlp, (4,), epochs=3)
        module.network[2].p = 0.0  # Lightning's checkpoints hold no random state
        return module, ProgressiveTandemLearning(config)

    module, ptl = start()
    run([ptl, ModelCheckpoint(tmp_path / "whole")], module)
    for epochs in (2, 3, 4):
        folder = tmp_path / str(epochs)
        cut, part = start()
        run([part, ModelCheckpoint(folder, save_top_k=-1, filename="{epoch}")], cut, epochs)
        again, rest = start()
        path = folder / f"epoch={epochs - 1}.ckpt"
        run(
            [rest, ModelCheckpoint(folder, save_top_k=-1, filename="{epoch}")],
            again,
            ckpt_path=str(path),
            weights_only=True,
        )
        assert rest.finished and rest.records == ptl.records

"""Thresholds are measured in the precision that the network is trained in."""

import pytest
import torch
from tiny_training import Classifier, data, mlp, pretrained, trainer

from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig


def measured(precision, collect):
    class Watched(Classifier):
        def training_step(self, batch, index):
            if not torch.is_grad_enabled():
                collect.append((batch[0].dtype, torch.is_autocast_enabled("cpu")))
            return super().training_step(batch, index)

    module, ptl = pretrained(mlp, (4,)), ProgressiveTandemLearning(PTLConfig(8, 1, max_epochs_per_stage=1))
    module.__class__ = Watched
    run = trainer([ptl], max_epochs=4, precision=precision, num_sanity_val_steps=None)
    run.fit(module, data((4,), 0), data((4,), 1))
    assert ptl.finished
    return ptl.records[0].threshold


def test_thresholds_of_three_precisions():
    seen = {precision: [] for precision in ("32-true", "64-true", "bf16-mixed")}
    thresholds = {precision: measured(precision, collect) for precision, collect in seen.items()}
    assert set(seen["32-true"]) == {(torch.float32, False)}
    assert set(seen["64-true"]) == {(torch.float64, False)}
    assert set(seen["bf16-mixed"]) == {(torch.float32, True)}
    assert thresholds["64-true"] == pytest.approx(thresholds["32-true"], rel=1e-5)
    assert thresholds["bf16-mixed"] == pytest.approx(thresholds["32-true"], rel=0.02)

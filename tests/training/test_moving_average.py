import pytest
import torch
from tiny_training import Classifier, PowerCut, assert_same_state, fit, mlp

from spiking_tasnet.training import BestState, EpochCheckpoint, MovingAverage

DECAY = 0.8


def trained(epochs, *extra, **kwargs):
    torch.manual_seed(0)
    module, average = Classifier(mlp()), MovingAverage(DECAY)
    fit(module, (4,), [average, BestState(average=average), *extra], epochs, **kwargs)
    return module, average


def test_it_is_the_weighted_mean_of_the_weights_after_each_step():
    import pytorch_lightning as pl

    class Keep(pl.Callback):
        def __init__(self):
            self.seen = []

        def on_train_start(self, trainer, module):
            self.seen.append(module.network[0].weight.detach().clone())

        def on_train_batch_end(self, trainer, module, *_):
            self.seen.append(module.network[0].weight.detach().clone())

    torch.manual_seed(0)
    module, average, keep = Classifier(mlp()), MovingAverage(DECAY), Keep()
    fit(module, (4,), [keep, average], 2)
    expected, *steps = keep.seen
    for number, weight in enumerate(steps, start=1):
        decay = min(DECAY, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * weight
    torch.testing.assert_close(average.average[0], expected)
    torch.testing.assert_close(module.network[0].weight.detach(), steps[-1])  # the module keeps its own


def test_the_average_is_what_is_validated_and_kept():
    module, average = trained(3)
    torch.manual_seed(0)
    plain = Classifier(mlp())
    fit(plain, (4,), [BestState()], 3)
    different = [not torch.equal(a, b) for a, b in zip(module.parameters(), plain.parameters(), strict=True)]
    assert any(different)
    best = BestState(average=average)
    with average.swapped_in(module):
        best.state = {name: value.clone() for name, value in module.state_dict().items() if hasattr(value, "clone")}
    torch.testing.assert_close(best.state["network.0.weight"], module.network[0].weight.detach(), atol=0.2, rtol=0.5)


def test_a_resumed_run_ends_the_same(tmp_path):
    whole, _ = trained(4)
    checkpoint = tmp_path / "last.ckpt"
    with pytest.raises(RuntimeError, match="power cut"):
        trained(4, EpochCheckpoint(checkpoint), PowerCut(2))
    resumed, _ = trained(4, EpochCheckpoint(checkpoint), ckpt_path=str(checkpoint), weights_only=True)
    assert_same_state(resumed, whole.state_dict())

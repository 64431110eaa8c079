"""Tandem learning and surrogate gradients, all layers at once: they learn, resume exactly, and are still in eval."""

import pytest
import pytorch_lightning as pl
import torch
from tiny_training import Classifier, PowerCut, assert_same_state, data, fit, mlp, pretrained, trainer
from torch import nn

from spiking_tasnet.ptl import EndToEnd
from spiking_tasnet.ptl.end_to_end import calibrate_norms
from spiking_tasnet.ptl.validation import validate
from spiking_tasnet.snn import ConversionSettings, ConvertibleLayer, Spikes, convertible_layers
from spiking_tasnet.training import BestState, EpochCheckpoint

METHODS = {
    "tandem": ("tandem", 1.0, ["encoding", "spiking"]),
    "surrogate": ("surrogate", 1.0, ["surrogate", "surrogate"]),
    "lif": ("surrogate", 0.9, ["surrogate", "surrogate"]),
}


def settings(method, fold):
    name, decay, _ = METHODS[method]
    return ConversionSettings(method=name, num_steps=8, percentile=99, decay=decay, folded=fold)


class FirstLoss(pl.Callback):
    """Validate once right after the conversion, before any training."""

    def on_train_start(self, trainer, pl_module):
        self.loss = validate(trainer, pl_module, ["val_loss"])["val_loss"]


@pytest.mark.parametrize("fold", [False, True], ids=["from scratch", "from an ANN"])
@pytest.mark.parametrize("method", METHODS)
def test_training_lowers_the_loss_of_a_network_that_spikes_throughout(method, fold):
    torch.manual_seed(0)
    module = pretrained(mlp, (4,), epochs=2) if fold else Classifier(mlp())
    first = FirstLoss()
    run = fit(module, (4,), [EndToEnd(settings(method, fold)), first], max_epochs=10)
    layers = list(convertible_layers(module).values())
    assert [layer.role for layer in layers] == METHODS[method][2]
    assert run.callback_metrics["val_loss"] < 0.8 * first.loss
    for layer in layers:  # what trains: the folded weights alone, or weights and norm
        assert layer.settings.folded == fold
        moments = run.optimizers[0].state
        assert layer.operator.weight in moments
        assert (layer.norm.weight in moments) == (not fold)
    assert module.network[0].weight in run.optimizers[0].state  # the analog front end too


@pytest.mark.parametrize("method", METHODS)
def test_resume_equals_the_uninterrupted_run(method, tmp_path):
    def start():
        torch.manual_seed(3)
        return Classifier(mlp()), [EndToEnd(settings(method, fold=False)), BestState()]

    module, callbacks = start()
    fit(module, (4,), [*callbacks, EpochCheckpoint(tmp_path / "whole.ckpt")], max_epochs=4)
    expected, best = module.state_dict(), callbacks[1].best

    module, callbacks = start()
    path = tmp_path / "cut.ckpt"
    with pytest.raises(RuntimeError, match="power cut"):
        fit(module, (4,), [*callbacks, EpochCheckpoint(path), PowerCut(2)], max_epochs=4)
    torch.manual_seed(123)  # another process starts with another random state
    module, callbacks = Classifier(mlp()), [EndToEnd(settings(method, fold=False)), BestState()]
    fit(module, (4,), [*callbacks, EpochCheckpoint(path)], max_epochs=4, ckpt_path=path, weights_only=True)
    assert_same_state(module, expected)
    assert callbacks[1].best == best


@pytest.mark.parametrize("method", METHODS)
def test_dropout_and_batch_norm_are_inert_in_eval(method):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Dropout(0.5),
        ConvertibleLayer(nn.Linear(4, 16), nn.BatchNorm1d(16)),
        nn.Dropout(0.5),
        ConvertibleLayer(nn.Linear(16, 16), nn.BatchNorm1d(16)),
        nn.Dropout(0.5),
        ConvertibleLayer(nn.Linear(16, 3), readout=True, rectify=False),
    )
    module = Classifier(network)
    fit(module, (4,), [EndToEnd(settings(method, fold=False))], max_epochs=1)
    before = {key: value.clone() for key, value in module.state_dict().items() if hasattr(value, "clone")}
    module.eval()
    x = torch.randn(8, 4)
    whole = module.network(x)
    assert torch.equal(module.network(x), whole)
    alone = torch.cat([module.network(item[None]) for item in x])  # an item does not see its batch
    torch.testing.assert_close(alone, whole, rtol=1e-4, atol=1e-4)
    for key, value in before.items():
        assert torch.equal(module.state_dict()[key], value), key
    module.train()  # in training, spikes pass dropout as they are; an analog input does not
    spikes = network[1](x)
    assert isinstance(spikes, Spikes) and network[2](spikes) is spikes
    assert not torch.equal(network[0](x), x)


def test_calibrated_norms_hold_the_mean_over_what_they_saw():
    torch.manual_seed(0)
    network = nn.Sequential(nn.BatchNorm1d(3, momentum=0.2)).train()
    batches = [torch.randn(16, 3) * 3 + 5 for _ in range(4)]
    calibrate_norms(network, lambda: [network(batch) for batch in batches])
    torch.testing.assert_close(network[0].running_mean, torch.stack([b.mean(0) for b in batches]).mean(0))
    torch.testing.assert_close(network[0].running_var, torch.stack([b.var(0) for b in batches]).mean(0))
    assert network[0].momentum == 0.2


def test_nothing_to_convert_is_told():
    with pytest.raises(ValueError, match="no convertible layer found"):
        run = trainer([EndToEnd(ConversionSettings())], 1)
        run.fit(Classifier(nn.Linear(4, 3)), data((4,), 0), data((4,), 1))

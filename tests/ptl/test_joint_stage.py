"""The stage after the last, which trains all converted layers together; the price on spikes."""

import pytest
import torch
from tiny_training import Classifier, PowerCut, assert_same_state, fit, mlp, pretrained

from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig
from spiking_tasnet.ptl.spike_penalty import spikes_per_neuron, trained_spikes
from spiking_tasnet.snn import Spikes, convert, convertible_layers, record_cost
from spiking_tasnet.training import EpochCheckpoint

CONFIG = PTLConfig(num_steps=8, patience=1, max_epochs_per_stage=1, joint_epochs=3)


class Keep(PowerCut):
    """Weights at the start of each epoch."""

    def __init__(self):
        super().__init__(-1)
        self.seen = []

    def on_train_epoch_start(self, trainer, pl_module):
        self.seen.append({name: value.detach().clone() for name, value in pl_module.named_parameters()})


def test_it_trains_every_converted_layer_and_nothing_below_the_first():
    module, keep = pretrained(mlp, (4,)), Keep()
    ptl = ProgressiveTandemLearning(CONFIG)
    fit(module, (4,), [ptl, keep])
    assert ptl.finished and [record.role for record in ptl.records] == ["encoding", "spiking", "joint"]
    joint = ptl.records[-1]
    assert joint.epochs == 3 and joint.val_loss_best <= joint.val_loss_converted == ptl.records[-2].val_loss_best
    first, last = keep.seen[-3], keep.seen[-1]
    changed = {name for name in first if not torch.equal(first[name], last[name])}
    assert {f"network.{n}.operator.{what}" for n in (1, 3) for what in ("weight", "bias")} <= changed
    assert not {"network.0.weight", "network.0.bias"} & changed


@pytest.mark.parametrize("resume", [False, True])
def test_what_the_user_froze_stays_frozen(tmp_path, resume):
    def frozen():
        module = pretrained(mlp, (4,))
        module.network[1].operator.weight.requires_grad_(False)
        return module

    module, ptl, path = frozen(), ProgressiveTandemLearning(CONFIG), tmp_path / "last.ckpt"
    before = {name: value.detach().clone() for name, value in module.named_parameters()}
    if resume:  # in the joint stage: by then the callback itself has frozen every layer
        with pytest.raises(RuntimeError, match="power cut"):
            fit(module, (4,), [ptl, EpochCheckpoint(path), PowerCut(3)])
        module, ptl = frozen(), ProgressiveTandemLearning(CONFIG)
        fit(module, (4,), [ptl, EpochCheckpoint(path)], ckpt_path=str(path), weights_only=True)
    else:
        fit(module, (4,), [ptl])
    assert ptl.finished
    trained = {name for name, value in module.named_parameters() if value.requires_grad}
    assert "network.1.operator.weight" not in trained
    assert {"network.1.operator.bias", "network.3.operator.weight", "network.4.weight"} <= trained
    # Folding its batch norm rescales the rows of the weight; nothing else may have changed it.
    rows = module.network[1].operator.weight.detach() / before["network.1.operator.weight"]
    torch.testing.assert_close(rows, rows[:, :1].expand_as(rows))


def test_a_power_cut_in_it_changes_nothing(tmp_path):
    def run(*callbacks, **kwargs):
        module, ptl = pretrained(mlp, (4,)), ProgressiveTandemLearning(CONFIG)
        torch.manual_seed(1)
        fit(module, (4,), [ptl, *callbacks], **kwargs)
        return module, ptl

    whole, ptl = run()
    checkpoint = tmp_path / "last.ckpt"
    with pytest.raises(RuntimeError, match="power cut"):
        run(EpochCheckpoint(checkpoint), PowerCut(3))
    resumed, again = run(EpochCheckpoint(checkpoint), ckpt_path=str(checkpoint), weights_only=True)
    assert again.finished and again.records == ptl.records
    assert_same_state(resumed, whole.state_dict())


def converted():
    torch.manual_seed(0)
    network = mlp().eval()
    convert(network, lambda: network(torch.randn(64, 4)), num_steps=8)
    return network


def test_spikes_per_neuron_is_what_is_counted():
    network, x = converted(), torch.randn(50, 4)
    with trained_spikes(network) as spikes:
        network(x)
    with record_cost(network) as costs, torch.no_grad():
        network(x)
    expected = sum(cost.spikes_out / cost.neurons for cost in costs.values() if cost.role in ("encoding", "spiking"))
    assert len(spikes) == 2 and spikes_per_neuron(spikes).item() == pytest.approx(expected, rel=1e-5)
    with trained_spikes(network) as spikes, torch.no_grad():  # as in validation
        network(x)
    assert len(spikes) == 2 and spikes_per_neuron(spikes).item() == pytest.approx(expected, rel=1e-5)
    network[1].requires_grad_(False)
    with trained_spikes(network) as spikes, torch.no_grad():
        network(x)
    assert len(spikes) == 1
    frozen = network.requires_grad_(False)
    with trained_spikes(frozen) as spikes:
        frozen(x)
    assert spikes == [] and spikes_per_neuron(spikes) == 0


def test_thresholds_of_channels_count_too():
    value = torch.rand(3, 2, 5).requires_grad_()
    threshold = torch.tensor([0.5, 0.25])
    spikes = Spikes(value, torch.zeros(3, 2, 5, dtype=torch.int32), threshold, 4)
    assert spikes_per_neuron([spikes]).item() == pytest.approx((value / threshold[:, None]).mean().item())


def test_spikes_per_neuron_where_the_channels_are_the_last_axis():
    counts, threshold = torch.randint(0, 8, (2, 5, 3)), torch.tensor([0.5, 1.0, 2.0])  # a Linear's: (batch, time, chan)
    code = (1 << counts.to(torch.int32)) - 1
    spikes = Spikes(counts * threshold, code, threshold, 8, axis=-1)
    assert spikes_per_neuron([spikes]).item() == pytest.approx(counts.float().mean().item())


class Penalised(Classifier):
    price = 0.0

    def validation_step(self, batch, index):
        with trained_spikes(self.network) as spikes:
            loss = torch.nn.functional.cross_entropy(self.network(batch[0]), batch[1])
        self.log("val_loss", loss)
        self.log("val_priced_loss", loss + self.price * spikes_per_neuron(spikes))

    def training_step(self, batch, index):
        with trained_spikes(self.network) as spikes:
            loss = super().training_step(batch, index)
        return loss + self.price * spikes_per_neuron(spikes)


def test_a_price_on_spikes_makes_them_fewer():
    def fired(price, monitor="val_priced_loss"):
        module = pretrained(mlp, (4,))
        module.__class__, module.price = Penalised, price
        # V[0] = theta / 2 leaves room for fewer spikes.
        config = PTLConfig(num_steps=8, patience=9, max_epochs_per_stage=3, v_init=0.5)
        ptl = ProgressiveTandemLearning(config, monitor, recorded="val_loss")
        fit(module, (4,), [ptl])
        with record_cost(module.network) as costs, torch.no_grad():
            module.network.eval()(torch.randn(200, 4, generator=torch.Generator().manual_seed(5)))
        return [cost.spikes_out / cost.neurons for cost in costs.values() if cost.neuron_updates]

    free, priced = fired(0.0), fired(3.0)
    assert sum(priced) < 0.9 * sum(free)
    # Chosen by the loss alone, the state before the priced training is kept: nothing is gained.
    assert sum(priced) < 0.9 * sum(fired(3.0, "val_loss"))
    assert len(convertible_layers(mlp())) == len(free)

"""Thresholds that the joint stage trains."""

import dataclasses
from itertools import pairwise

import pytest
import torch
from tiny_training import PowerCut, assert_same_state, fit, mlp, pretrained
from torch import nn

from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig
from spiking_tasnet.snn import convert, convertible_layers
from spiking_tasnet.training import EpochCheckpoint

CONFIG = PTLConfig(
    num_steps=8,
    v_init=0.5,
    channel_wise=True,
    patience=1,
    max_epochs_per_stage=1,
    joint_epochs=3,
    train_thresholds=True,
)
TRAINED = ("network.1.threshold", "network.3.threshold")


def converted(channel_wise=True):
    torch.manual_seed(0)
    network = mlp().eval()
    convert(network, lambda: network(torch.randn(64, 4)), num_steps=8, v_init=0.5, channel_wise=channel_wise)
    return network


class Thresholds(PowerCut):
    """What the thresholds are before the first step of each epoch and after every step."""

    def __init__(self):
        super().__init__(-1)
        self.seen = []

    def on_train_epoch_start(self, trainer, pl_module):
        self._keep(pl_module)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self._keep(pl_module)

    def _keep(self, module):
        self.seen.append({name: module.state_dict()[name].clone() for name in TRAINED})


def convert_by_ptl(config=CONFIG, *callbacks, module=None, **kwargs):
    module, ptl = module or pretrained(mlp, (4,)), ProgressiveTandemLearning(config)
    torch.manual_seed(1)
    fit(module, (4,), [ptl, *callbacks], **kwargs)
    return module, ptl


@pytest.mark.parametrize("gated", [False, True])
def test_the_gradient_is_that_of_a_learned_step_size(gated):
    """Against autograd through a rounding whose gradient is one (Esser et al., 2020)."""

    def straight_through(a, threshold):
        steps = (a / threshold).clamp(0, 8)
        return threshold * (steps + (steps.add(0.5).floor() - steps).detach())

    network = converted()
    layer = network[1]
    layer.clip_saturated_gradient = gated
    layer.train_threshold()
    x = 2 * torch.randn(200, 16)
    weights = torch.randn(200, layer.operator.out_features)
    (layer(x).value * weights).sum().backward()
    threshold = layer.threshold.detach().requires_grad_()
    a = torch.relu(layer.operator(x)).detach().requires_grad_()
    expected = straight_through(a, threshold)
    (expected * weights).sum().backward()
    assert (a > 8 * threshold).any() and (a < 8 * threshold).any()
    torch.testing.assert_close(layer(x).value, expected)
    torch.testing.assert_close(layer.threshold.grad, threshold.grad)
    passed = a.grad if gated else weights  # that of the reference is none where the count is saturated
    torch.testing.assert_close(layer.operator.bias.grad, (passed * (a > 0)).sum(0))


def test_only_where_they_are_to_be_trained_and_a_hundredth_per_step():
    watch = Thresholds()
    module, ptl = convert_by_ptl(CONFIG, watch)
    assert ptl.finished
    joint = watch.seen[-3 * 6 :]  # three epochs, of five steps each
    moves = [(after[n] / before[n] - 1).abs().max() for before, after in pairwise(joint) for n in TRAINED]
    assert 0.005 < max(moves) < 0.0101
    for layer in convertible_layers(module).values():
        assert not isinstance(layer.threshold, nn.Parameter) and not layer.threshold.requires_grad
        assert (layer.threshold > 0).all() or not layer.is_spiking
    same, watch = dataclasses.replace(CONFIG, train_thresholds=False), Thresholds()
    convert_by_ptl(same, watch)
    assert all(torch.equal(watch.seen[-1][name], watch.seen[-18][name]) for name in TRAINED)


def test_a_power_cut_changes_nothing(tmp_path):
    whole, ptl = convert_by_ptl()
    checkpoint = tmp_path / "last.ckpt"
    with pytest.raises(RuntimeError, match="power cut"):
        convert_by_ptl(CONFIG, EpochCheckpoint(checkpoint), PowerCut(3))
    resumed, again = convert_by_ptl(CONFIG, EpochCheckpoint(checkpoint), ckpt_path=str(checkpoint), weights_only=True)
    assert again.finished and again.records == ptl.records
    assert_same_state(resumed, whole.state_dict())
    options = {"ckpt_path": str(checkpoint), "weights_only": True}
    finished, once_more = convert_by_ptl(CONFIG, EpochCheckpoint(checkpoint), **options)
    assert once_more.finished
    assert_same_state(finished, whole.state_dict())


def test_after_a_power_cut_they_are_buffers():
    module = pretrained(mlp, (4,))
    with pytest.raises(RuntimeError, match="power cut"):
        convert_by_ptl(CONFIG, PowerCut(3), module=module)
    assert not any(name.endswith("threshold") for name, _ in module.named_parameters())


def test_those_of_a_layer_that_the_user_froze_stay():
    module = pretrained(mlp, (4,))
    module.network[1].requires_grad_(False)
    watch = Thresholds()
    _, ptl = convert_by_ptl(CONFIG, watch, module=module)
    assert ptl.finished
    first, last = watch.seen[-18], watch.seen[-1]
    assert torch.equal(first[TRAINED[0]], last[TRAINED[0]]) and not torch.equal(first[TRAINED[1]], last[TRAINED[1]])


def test_fewer_spikes_are_a_matter_of_thresholds_too():
    """The gradient of a count with respect to its threshold is -a / theta^2 where it is not saturated."""
    layer = converted()[1]
    layer.requires_grad_(False)
    layer.train_threshold()
    x = torch.randn(100, 16)
    spikes = layer(x)
    (spikes.value / layer.threshold).sum().backward()
    a = torch.relu(layer.operator(x))
    within = a <= 8 * layer.threshold
    expected = -(a * within).sum(0) / layer.threshold**2
    torch.testing.assert_close(layer.threshold.grad, expected.detach())


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(ValueError, match=r"ptl\.channel_wise"):
        dataclasses.replace(CONFIG, channel_wise=False)
    with pytest.raises(ValueError, match=r"ptl\.joint_epochs"):
        dataclasses.replace(CONFIG, joint_epochs=0)
    with pytest.raises(ValueError, match="channel_wise=True"):
        converted(channel_wise=False)[1].train_threshold()
    with pytest.raises(ValueError, match="analog found"):
        mlp()[1].train_threshold()


def test_the_names_in_a_checkpoint_stay_the_same():
    network = converted()
    before = {name: value.clone() if hasattr(value, "clone") else value for name, value in network.state_dict().items()}
    network[1].train_threshold()
    assert "1.threshold" in dict(network.named_parameters())
    assert_same_state(network, before)
    network[1].train_threshold(False)
    assert "1.threshold" in dict(network.named_buffers())
    assert_same_state(network, before)

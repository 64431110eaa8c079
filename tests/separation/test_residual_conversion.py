"""A network trained with residual connections goes through a conversion without its folded norms coming back."""

import copy
import json

import pytest
import torch
from tiny_corpus import write_corpus

from spiking_tasnet.cli.main import main
from spiking_tasnet.ptl.activity import layer_activities
from spiking_tasnet.separation.config import ModelConfig, TrainConfig
from spiking_tasnet.separation.corpora.merl import MerlSpec, build_mixtures
from spiking_tasnet.separation.module import SeparationModule
from spiking_tasnet.separation.network import TasNet, load_model, save_model
from spiking_tasnet.separation.residual import add_residuals, fold_residuals, hold_folded, residual_layers
from spiking_tasnet.snn import convert

MODEL = ModelConfig(n_filters=16, bn_chan=8, hid_chan=8, kernel_size=16, stride=8, n_blocks=3)
CONFIG = """
model: {n_filters: 16, kernel_size: 16, stride: 8, bn_chan: 8, hid_chan: 8, n_blocks: 2}
data: {segment: 0.5, batch_size: 4, num_workers: 0}
ann: {max_epochs: 2, lr: 0.005, residual: true, activity_penalty: 0.1}
snn: {max_epochs: 12, lr: 0.002, spike_penalty: 2.0, distil: 1.0}
ptl: {patience: 2, max_epochs_per_stage: 2, num_steps: 8, v_init: 0.5, joint_epochs: 2, anneal: true}
"""


def folded():
    """A network that was trained with residual connections, folded."""
    torch.manual_seed(0)
    network = TasNet(MODEL)
    add_residuals(network)
    for _ in range(20):
        network(torch.randn(3, 800))
    network.eval()
    fold_residuals(network)
    return network


def test_a_folded_norm_does_not_begin_to_normalise_again():
    network, mixture = folded(), torch.randn(4, 800)
    layers = residual_layers(network)
    before, expected = copy.deepcopy(network.state_dict()), network.separator(network.encoder(mixture.unsqueeze(1)))
    for layer in layers:
        layer.train()
    torch.testing.assert_close(network.separator(network.encoder(mixture.unsqueeze(1))), expected)
    network.train()
    network(mixture)
    for layer in layers:
        assert not any(parameter.requires_grad for parameter in layer.norm.parameters())
    for index in (1, 2, 3):
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            key = f"separator.{index}.norm.{name}"
            assert torch.equal(network.state_dict()[key], before[key])
    assert not torch.equal(network.separator[0].norm.running_mean, before["separator.0.norm.running_mean"])


def test_the_mark_is_saved_and_given_to_older_models(tmp_path):
    network, mixture = folded(), torch.randn(2, 800)
    save_model(tmp_path / "model.pt", network)
    again = load_model(tmp_path / "model.pt")
    assert [layer.get_extra_state()["folded"] for layer in again.separator] == [False, True, True, True]
    for layer in residual_layers(again):  # as version 0.1.0 left it
        layer.set_folded(False)
    with torch.no_grad():
        expected = network(mixture)
        torch.testing.assert_close(again(mixture), expected, atol=1e-6, rtol=1e-5)
        hold_folded(again)
        assert torch.equal(again(mixture), expected)
    assert [layer.get_extra_state()["folded"] for layer in again.separator] == [False, True, True, True]
    fresh = TasNet(MODEL)
    hold_folded(fresh)  # norms with statistics of their own, new ones too, stay
    assert not any(layer.get_extra_state()["folded"] for layer in fresh.separator)


def test_a_folded_network_converts_and_trains_on():
    network, mixture = folded(), torch.randn(4, 800)
    with torch.no_grad():
        expected = network(mixture)
    convert(network, lambda: network(mixture), num_steps=64, v_init=0.5)
    with torch.no_grad():
        assert (network(mixture) - expected).norm() < 0.2 * expected.norm()


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    root = write_corpus(tmp_path_factory.mktemp("corpus"), {"tr": 12, "cv": 2, "tt": 2})
    build_mixtures(MerlSpec(root, root, root / "data"), jobs=1)
    (root / "tiny.yaml").write_text(CONFIG)
    command = ["--config", str(root / "tiny.yaml"), "--data", str(root / "data"), "--exp", str(root / "exp")]
    assert main(["train", *command, "--threads", "1"]) == 0
    assert main(["convert", *command, "--threads", "1"]) == 0
    return root / "exp"


def test_every_option_of_a_conversion_together(exp):
    stages = json.loads((exp / "snn/stages.json").read_text())
    assert [stage["role"] for stage in stages] == ["encoding", "spiking", "readout", "joint"]
    assert [stage["epochs"] for stage in stages] == [2, 2, 2, 2]
    norms = [load_model(exp / system / "model.pt").separator[2].norm.state_dict() for system in ("ann", "snn")]
    for name, value in norms[0].items():
        assert torch.equal(value, norms[1][name]), name
    rows = (exp / "snn/history.csv").read_text().splitlines()
    rates = [float(row.split(",")[4]) for row in rows[1:]]
    assert all(later < earlier for earlier, later in zip(rates[::2], rates[1::2], strict=True))


def test_activity_is_part_of_the_training_loss(exp):
    module = lambda **config: SeparationModule(load_model(exp / "ann/model.pt"), TrainConfig(**config))  # noqa: E731
    sources = torch.randn(2, 2, 4000)
    losses = [module(activity_penalty=penalty)._training_loss(sources.sum(1), sources) for penalty in (0.0, 1.0, 3.0)]
    assert 0 < (losses[1] - losses[0]).item() < 1
    assert (losses[2] - losses[0]).item() == pytest.approx(3 * (losses[1] - losses[0]).item(), rel=1e-3)


def test_the_best_state_of_a_priced_conversion_has_the_lowest_priced_loss():
    assert SeparationModule(TasNet(MODEL), TrainConfig()).monitor == "val_loss"
    priced = SeparationModule(folded(), TrainConfig(spike_penalty=0.5))
    sources, logged = torch.randn(2, 2, 800), {}
    mixture = sources.sum(1)
    convert(priced.network, lambda: priced.network(mixture), num_steps=8)
    priced.log = lambda name, value, **_: logged.__setitem__(name, float(value))
    with torch.no_grad():
        priced.validation_step((mixture, sources), 0)
    assert logged[priced.monitor] > logged["val_loss"]


def test_the_best_epoch_of_a_training_with_a_price_on_activity_has_the_lowest_priced_loss(exp):
    module = SeparationModule(load_model(exp / "ann/model.pt"), TrainConfig(activity_penalty=3.0))
    sources, logged = torch.randn(2, 2, 4000), {}
    module.log = lambda name, value, **_: logged.__setitem__(name, float(value))
    with torch.no_grad(), layer_activities(module.network) as activities:
        module.validation_step((sources.sum(1), sources), 0)
    price = 3.0 * torch.stack(activities).mean().item()
    assert logged[module.monitor] == pytest.approx(logged["val_loss"] + price, rel=1e-5)
    assert price > 0.1


def test_in_bfloat16_the_loss_of_the_estimates_is_that_of_float32():
    torch.manual_seed(0)
    module = SeparationModule(TasNet(MODEL), TrainConfig(cap_db=30.0))
    sources = torch.randn(2, 2, 4000)
    estimates = (sources + 0.03 * torch.randn_like(sources)).requires_grad_()  # 30 dB
    module.network.masks, module.network.decode = lambda mixture: (mixture, mixture), lambda *_: estimates
    expected = module._training_loss(sources.sum(1), sources)
    with torch.autocast("cpu", torch.bfloat16):
        found = module._training_loss(sources.sum(1), sources)
    assert found.dtype == torch.float32 and torch.equal(found, expected) and expected < -20

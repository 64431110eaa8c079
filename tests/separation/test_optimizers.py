"""What the optimiser of a training moves, and at which rate."""

import pytest

from spiking_tasnet.separation.config import ModelConfig, TrainConfig
from spiking_tasnet.separation.module import SeparationModule
from spiking_tasnet.separation.network import TasNet

SIZES = ModelConfig(n_filters=8, bn_chan=6, hid_chan=6, n_blocks=2)


def rates(config):
    """The learning rate of every trained parameter, by name."""
    module = SeparationModule(TasNet(SIZES), config)
    module.network.encoder.requires_grad_(False)
    groups = module.configure_optimizers()["optimizer"].param_groups
    rate = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(rate)
    return {name: rate.get(id(parameter)) for name, parameter in module.network.named_parameters()}


def test_adam_has_one_rate_unless_it_is_told_another():
    found = rates(TrainConfig(lr=0.25))
    assert found.pop("encoder.weight") is None and set(found.values()) == {0.25}


def test_biases_and_norms_may_have_a_rate_of_their_own():
    found = rates(TrainConfig(lr=0.25, adam_lr=0.5))
    assert found["separator.0.operator.weight"] == found["decoder.weight"] == found["mask.weight"] == 0.25
    assert found["separator.1.operator.bias"] == found["separator.1.norm.weight"] == found["mask.bias"] == 0.5
    assert found["encoder.weight"] is None


@pytest.mark.parametrize("adam_lr", [0.0, 0.5])
def test_muon_is_for_the_matrices_of_the_separator(adam_lr):
    found = rates(TrainConfig(optimizer="muon", lr=0.25, adam_lr=adam_lr))
    assert found["separator.0.operator.weight"] == found["mask.weight"] == 0.25
    assert found["separator.1.operator.bias"] == found["decoder.weight"] == (adam_lr or 0.25)

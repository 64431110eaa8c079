"""Weights that other code computes at each call: baked in on conversion and reported, or refused before a write."""

import pytest
import torch
from torch import nn
from torch.nn import utils
from torch.nn.utils import parametrizations, prune

from spiking_tasnet.snn import Constraints, ConvertibleLayer, convert, convertible_layers, make_convertible

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
BATCH = torch.randn(6, 2, 16, generator=torch.Generator().manual_seed(1))


def pruned(conv):
    return prune.l1_unstructured(conv, "weight", 0.5)


MAKERS = {
    "WeightNorm": utils.weight_norm,
    "SpectralNorm": utils.spectral_norm,
    "_WeightNorm": parametrizations.weight_norm,
    "_SpectralNorm": parametrizations.spectral_norm,
    "pruning": pruned,
}


def network(make, norm=True):
    torch.manual_seed(0)
    middle = [make(nn.Conv1d(8, 8, 3, padding=1)), *([nn.BatchNorm1d(8)] if norm else []), nn.ReLU()]
    found = nn.Sequential(nn.Conv1d(2, 8, 3, padding=1), nn.ReLU(), *middle, nn.Conv1d(8, 3, 1))
    for _ in range(10):
        found(3 * torch.randn(20, 2, 16) + 1)
    make_convertible(found.eval())
    return found


def converted(make, norm=True, **settings):
    found = network(make, norm)
    with torch.no_grad():
        expected = found(BATCH)
        reports = convert(found, lambda: found(BATCH), **{"num_steps": 32, "percentile": 100} | settings)
        error = (found(BATCH) - expected).norm() / expected.norm()
    return found, reports, error.item()


@pytest.mark.parametrize("norm", [True, False], ids=["norm", "no norm"])
@pytest.mark.parametrize("what", MAKERS)
def test_it_is_baked_in_and_reported(what, norm):
    found, reports, error = converted(MAKERS[what], norm)
    (baked,) = [report for report in reports if report.outcome == "baked"]
    assert baked.name == "2.operator" and baked.detail.startswith(what.strip("_"))
    assert error < 0.2  # 0.79 and 0.92 where a batch norm was folded into what is computed anew
    operator = convertible_layers(found)["2"].operator
    assert type(operator) is nn.Conv1d and set(dict(operator.named_parameters())) == {"weight", "bias"}


@pytest.mark.parametrize("what", MAKERS)
def test_its_weight_is_the_one_that_trains(what):
    found, _, _ = converted(MAKERS[what])
    before = found(BATCH).detach()
    optimiser = torch.optim.SGD(found.parameters(), lr=0.5)
    found(BATCH).square().mean().backward()
    weight = convertible_layers(found)["2"].operator.weight
    assert weight.grad is not None and weight.grad.abs().max() > 0
    held = weight.detach().clone()
    optimiser.step()
    assert not torch.equal(weight, held)
    assert not torch.equal(found(BATCH), before)


def test_what_was_pruned_stays_so_in_training():
    found, _, _ = converted(pruned)
    layer = convertible_layers(found)["2"]
    cut = layer.operator.weight == 0
    assert cut.float().mean() == pytest.approx(0.5, abs=0.01)
    optimiser = torch.optim.Adam(found.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        found(BATCH).square().mean().backward()
        optimiser.step()
    assert torch.equal(layer.operator.weight == 0, cut)


def test_an_analog_layer_in_channels_last_memory_computes_its_weight_too():
    found = network(utils.weight_norm)
    layer = convertible_layers(found)["2"]
    x = torch.randn(4, 16, 8).movedim(-1, 1)
    layer(x)
    with torch.no_grad():
        layer.operator.weight_g *= 2
        expected = layer(x.contiguous())
        assert torch.allclose(layer(x), expected, atol=1e-6)


@pytest.mark.parametrize("what", MAKERS)
def test_a_converted_state_loads_into_a_network_that_still_computes_them(what):
    found, _, _ = converted(MAKERS[what])
    again = network(MAKERS[what])
    again.load_state_dict(found.state_dict())
    assert torch.equal(again(BATCH), found(BATCH))


@pytest.mark.parametrize("what", ["WeightNorm", "pruning"])
def test_a_live_batch_norm_behind_a_hook_is_refused(what):
    found = network(MAKERS[what])
    with pytest.raises(ValueError, match=f"a weight computed by {what} found in a layer whose batch norm stays live"):
        convert(found, lambda: found(BATCH), method="surrogate", folded=False)
    assert not any(layer.is_converted for layer in convertible_layers(found).values())


def test_a_parametrization_trains_behind_a_live_batch_norm():
    found, reports, _ = converted(parametrizations.weight_norm, method="surrogate", folded=False)
    assert not [report for report in reports if report.outcome == "baked"]
    found(BATCH).square().mean().backward()
    scale = convertible_layers(found)["2"].operator.parametrizations.weight.original0
    assert scale.grad is not None and scale.grad.abs().max() > 0


def test_weights_computed_by_unknown_code_are_refused():
    layer = ConvertibleLayer(nn.Linear(4, 4), nn.BatchNorm1d(4))
    del layer.operator._parameters["weight"]
    layer.operator.weight = torch.ones(4, 4)
    found = nn.Sequential(layer, nn.Linear(4, 2))
    with pytest.raises(ValueError, match="a weight that is no parameter found, computed by code that is not torch's"):
        convert(found, lambda: found(torch.rand(5, 4)))


def test_frozen_weights_stay_frozen():
    found = network(parametrizations.weight_norm)
    convertible_layers(found)["2"].operator.requires_grad_(False)
    convert(found, lambda: found(BATCH))
    assert not convertible_layers(found)["2"].operator.weight.requires_grad


def test_a_limit_of_the_fan_in_is_kept_beside_pruning():
    found, _, _ = converted(pruned, constraints=Constraints(fan_in=3))
    weight = convertible_layers(found)["2"].operator.weight
    assert int((weight.flatten(1) != 0).sum(1).max()) <= 3

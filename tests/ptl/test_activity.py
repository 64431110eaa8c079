"""Activity, the sparseness that an ANN can be trained for."""

import pytest
import torch
from tiny_training import mlp
from torch import nn

from spiking_tasnet.ptl.activity import activity, layer_activities
from spiking_tasnet.snn import ConvertibleLayer, convert, convertible_layers, record_cost


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_measures_sparseness_whatever_the_scale(dtype):
    x = torch.zeros(4, 8, 25)
    x[:, :2] = 3.0  # a quarter of equally strong activations
    assert activity(x.to(dtype)).item() == pytest.approx(0.5, rel=1e-6)
    random = torch.rand(4, 8, 25).to(dtype)
    double = random.double()
    expected = double.mean() / double.square().mean().sqrt()
    assert activity(random).dtype == torch.float32
    assert activity(random).item() == pytest.approx(expected.item(), rel=1e-5)
    assert activity(random * 4).item() == pytest.approx(expected.item(), rel=1e-5)
    gradient_of = torch.relu(torch.randn(3, 4, 5, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(activity, gradient_of)
    silent = torch.zeros(5, dtype=dtype, requires_grad=True)
    activity(silent).backward()
    assert activity(silent) == 0 and not silent.grad.any()


def test_only_what_will_spike_is_collected():
    network = nn.Sequential(
        nn.Linear(4, 8), ConvertibleLayer(nn.Linear(8, 8)), ConvertibleLayer(nn.Linear(8, 3), readout=True)
    )
    with layer_activities(network) as found:
        network(torch.randn(6, 4))
    assert len(found) == 1 and found[0].requires_grad
    network(torch.randn(6, 4))
    assert len(found) == 1


def test_an_ann_trained_for_less_activity_fires_fewer_spikes():
    x = torch.randn(256, 4, generator=torch.Generator().manual_seed(3))
    y = (x @ torch.randn(4, 3, generator=torch.Generator().manual_seed(4))).argmax(1)

    def spikes_per_neuron(penalty):
        torch.manual_seed(0)
        network = mlp()
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
        for _ in range(60):
            with layer_activities(network) as found:
                loss = nn.functional.cross_entropy(network(x), y)
            optimizer.zero_grad()
            (loss + penalty * torch.stack(found).mean()).backward()
            optimizer.step()
        network.eval()
        convert(network, lambda: network(x), num_steps=8, percentile=99.0)
        with record_cost(network) as costs, torch.no_grad():
            accuracy = (network(x).argmax(1) == y).float().mean().item()
        assert accuracy > 0.8 and len(convertible_layers(network)) == 2
        return sum(cost.spikes_out for cost in costs.values()) / sum(cost.neurons for cost in costs.values())

    assert spikes_per_neuron(1.0) < 0.9 * spikes_per_neuron(0.0)

"""NaN is named with the layer that meets it; integers that would leave 32 bits are refused with the right advice."""

import pytest
import torch
from torch import nn

from spiking_tasnet.snn import Constraints, ConvertibleLayer, convert, keep_synapses, make_convertible
from spiking_tasnet.snn.fixed_point import check_range
from spiking_tasnet.snn.kernels import Neurons, simulate
from spiking_tasnet.snn.numbers import NumberError, check_finite

BATCH = torch.randn(6, 2, 16, generator=torch.Generator().manual_seed(1))


def converted(**settings):
    torch.manual_seed(0)
    layers = [nn.Conv1d(2, 8, 3, padding=1), nn.ReLU(), nn.Conv1d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv1d(8, 3, 1)]
    network = nn.Sequential(*layers)
    make_convertible(network)
    convert(network, lambda: network(BATCH), **{"num_steps": 16} | settings)
    return network.eval()


def spoilt(value):
    batch = BATCH.clone()
    batch[3, 1, 7] = value
    return batch


WAYS = [{}, {"method": "rate"}, {"method": "surrogate"}, {"constraints": Constraints(weight_bits=4)}, {"num_steps": 40}]


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("settings", WAYS, ids=str)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_an_input_that_is_no_number(value, settings, kept, grad):
    network = converted(**settings)
    if kept:
        keep_synapses(network)
    with (
        torch.set_grad_enabled(grad),
        pytest.raises(ValueError, match="layer '0': NaN or infinite values among .* found"),
    ):
        network(spoilt(value))
    assert network(BATCH).isfinite().all()


@pytest.mark.parametrize("settings", WAYS, ids=str)
@pytest.mark.parametrize(("place", "name"), [(0, "0"), (1, "2")])
@pytest.mark.parametrize("tensor", ["weight", "bias"])
def test_a_weight_that_is_no_number(tensor, place, name, settings):
    network = converted(**settings)
    getattr(network[place].operator, tensor).data.view(-1)[-1] = float("nan")
    with pytest.raises(ValueError, match=f"layer '{name}': NaN or infinite values among .* found"):
        network(BATCH)


@pytest.mark.parametrize("settings", WAYS[:3], ids=str)
def test_a_threshold_that_is_no_number(settings):
    network = converted(**settings)
    network[1].threshold[2] = float("nan")
    with pytest.raises(ValueError, match="layer '2': NaN or infinite values among the thresholds found"):
        network(BATCH)


@pytest.mark.parametrize("where", ["weight", "input"])
def test_a_conversion_names_the_layer(where):
    torch.manual_seed(0)
    network = nn.Sequential(ConvertibleLayer(nn.Linear(4, 4)), ConvertibleLayer(nn.Linear(4, 4)), nn.Linear(4, 2))
    x = torch.randn(20, 4)
    if where == "weight":
        network[1].operator.weight.data[0, 0] = float("nan")
    else:
        x[0] = float("nan")
    with pytest.raises(ValueError, match=f"layer '{'1' if where == 'weight' else '0'}': NaN among the activations"):
        convert(network, lambda: network(x))
    assert not any(layer.is_converted for layer in network[:2])


def test_a_layer_knows_its_name_from_its_state():
    network = converted()
    again = nn.Sequential(ConvertibleLayer(nn.Conv1d(2, 8, 3, padding=1)))
    again.load_state_dict({name: values for name, values in network.state_dict().items() if name.startswith("0.")})
    with pytest.raises(ValueError, match="layer '0': NaN"):
        again(spoilt(float("nan")))
    alone = ConvertibleLayer(nn.Linear(4, 4))
    convert(alone, lambda: alone(torch.rand(9, 4)))
    with pytest.raises(ValueError, match=r"Linear\(in_features=4, .*: NaN or infinite"):
        alone(torch.full((1, 4), float("nan")))


def test_a_sum_beyond_the_range_is_no_infinite_value():
    check_finite(torch.full((10,), 60000.0, dtype=torch.float16), "values")
    check_finite(torch.zeros(0), "values")
    with pytest.raises(NumberError, match="NaN or infinite values among values found"):
        check_finite(torch.tensor([1.0, float("inf"), -float("inf")]), "values")


def inhibited(fan_in, kernel, monkeypatch, bits=8):
    """Spikes of neurons that are inhibited by every input at every step."""
    monkeypatch.setenv("SPIKING_TASNET_KERNEL", kernel)
    operator = nn.Linear(fan_in, 8, bias=False)
    weight = torch.full((8, fan_in), -(2 ** (bits - 1) - 1), dtype=torch.int8)
    code = torch.full((2, fan_in), -1, dtype=torch.int32)
    neurons = Neurons(weight, torch.zeros(8, dtype=torch.int32), torch.full((8,), 1000, dtype=torch.int32))
    return simulate(operator, code, 32, neurons), neurons


@pytest.mark.parametrize("kernel", ["reference", "event"])
@pytest.mark.parametrize(("fan_in", "bits"), [(2064, 8), (16384, 5), (4096, 8), (16384, 8)])
def test_what_the_check_lets_pass_does_not_wrap(fan_in, bits, kernel, monkeypatch):
    fired, neurons = inhibited(fan_in, kernel, monkeypatch, bits)
    try:
        check_range(neurons.weight, neurons.current, neurons.threshold, 32)
    except NumberError:
        assert (fan_in, bits) in ((4096, 8), (16384, 8)) and (fired != 0).any()  # it would have fired
        return
    assert (fired == 0).all()


def test_the_advice_helps():
    torch.manual_seed(0)

    def network():
        torch.manual_seed(0)
        found = nn.Sequential(
            ConvertibleLayer(nn.Linear(8, 4200)), ConvertibleLayer(nn.Linear(4200, 4)), nn.Linear(4, 2)
        )
        found[1].operator.weight.data.fill_(-0.01)
        found[1].operator.weight.data[:, ::2] = 0.01
        return found

    def converted(**settings):
        found, x = network(), torch.randn(50, 8)
        convert(found, lambda: found(x), num_steps=settings.pop("num_steps", 32), constraints=Constraints(**settings))
        assert found(x).isfinite().all()

    with pytest.raises(
        ValueError, match="layer '1': a membrane potential .* lower weight_bits or num_steps, or limit fan_in"
    ):
        converted(weight_bits=8)
    converted(weight_bits=7)
    converted(weight_bits=8, num_steps=16)
    converted(weight_bits=8, fan_in=2000)


def test_weights_that_outgrow_the_range_in_training_are_named():
    torch.manual_seed(0)
    network, x = (
        nn.Sequential(ConvertibleLayer(nn.Linear(8, 4200)), ConvertibleLayer(nn.Linear(4200, 4))),
        torch.randn(50, 8),
    )
    convert(network, lambda: network(x), num_steps=32, constraints=Constraints(weight_bits=8))
    network[1].operator.weight.data.fill_(-0.01)
    with pytest.raises(ValueError, match="layer '1': a membrane potential that can leave 32 bits found"):
        network(x)

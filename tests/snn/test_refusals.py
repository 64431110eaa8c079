"""What users of other spiking and Lightning code ran into: right, or refused at once in one sentence."""

import threading

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from spiking_tasnet.snn import ConvertibleLayer, convert, convert_layer, keep_synapses, make_convertible
from spiking_tasnet.snn.compose import convertible_layers
from spiking_tasnet.snn.settings import ConversionSettings

SHAPE = (5, 2, 16)


def network():
    """Three layers and a head, with a batch norm that has seen data; (batch, 2, 16) -> (batch, 3)."""
    torch.manual_seed(0)
    layers = [nn.Conv1d(2, 8, 3, padding=1), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 8, 3), nn.ReLU()]
    found = nn.Sequential(*layers, nn.Conv1d(8, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14, 3))
    for _ in range(5):
        found(3 * torch.randn(20, 2, 16) + 1)
    make_convertible(found.eval())
    return found


def batch():
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def converted():
    found = network()
    convert(found, lambda: found(batch()), num_steps=16, percentile=100)
    return found


class Causal(nn.Conv1d):
    def forward(self, x):
        return super().forward(F.pad(x, (self.kernel_size[0] - 1, 0)))


class Standardised(nn.Conv1d):
    def _conv_forward(self, x, weight, bias):
        return super()._conv_forward(x, weight - weight.mean((1, 2), keepdim=True), bias)


class Adapted(nn.Linear):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.low = nn.Linear(self.in_features, self.out_features)

    def forward(self, x):
        return super().forward(x) + self.low(x)


@pytest.mark.parametrize("operator", [Causal(2, 4, 3), Standardised(2, 4, 3), Adapted(4, 4)])
def test_a_subclass_with_a_forward_of_its_own_is_refused(operator):
    message = f"{type(operator).__name__} found, a {type(operator).__bases__[0].__name__} with a forward of its own"
    with pytest.raises(ValueError, match=message):
        ConvertibleLayer(operator)
    with pytest.raises(ValueError, match=message):
        make_convertible(nn.Sequential(operator, nn.ReLU()))


def test_an_operator_whose_forward_was_replaced_is_refused():
    operator = nn.Linear(4, 4)
    operator.forward = lambda x: F.linear(x, operator.weight) * 2
    with pytest.raises(ValueError, match="a forward of its own"):
        ConvertibleLayer(operator)


def test_a_subclass_that_computes_alike_is_accepted():
    class Named(nn.Linear):
        pass

    assert ConvertibleLayer(Named(4, 4))(torch.randn(2, 4)).shape == (2, 4)


def test_lazy_operators_are_made_convertible_once_they_have_weights():
    lazy = nn.Sequential(nn.LazyConv1d(4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
    with pytest.raises(ValueError, match="LazyConv1d without weights found: run the network once"):
        make_convertible(lazy)
    lazy(batch())
    make_convertible(lazy)
    convert(lazy, lambda: lazy(batch()))


@pytest.mark.parametrize("shared", ["weight", "bias"])
def test_a_norm_is_not_folded_into_a_parameter_that_another_layer_shares(shared):
    first, second = nn.Conv1d(2, 2, 3, padding=1), nn.Conv1d(2, 2, 3, padding=1)
    setattr(second, shared, getattr(first, shared))
    tied = nn.Sequential(first, nn.BatchNorm1d(2), nn.ReLU(), second, nn.ReLU(), nn.Conv1d(2, 1, 1)).eval()
    make_convertible(tied)
    before = {name: values.clone() for name, values in tied.state_dict().items() if torch.is_tensor(values)}
    with pytest.raises(ValueError, match=f"0.operator.{shared} and 3.operator.{shared} are one parameter"):
        convert(tied, lambda: tied(batch()))
    assert all(torch.equal(values, tied.state_dict()[name]) for name, values in before.items())
    setattr(second, shared, nn.Parameter(getattr(first, shared).detach().clone()))
    convert(tied, lambda: tied(batch()))


def test_shared_weights_without_a_norm_stay_shared():
    first, second = nn.Conv1d(2, 2, 3, padding=1), nn.Conv1d(2, 2, 3, padding=1)
    second.weight = first.weight
    tied = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Conv1d(2, 1, 1))
    make_convertible(tied)
    expected = tied(batch())
    convert(tied, lambda: tied(batch()), num_steps=32, percentile=100)
    assert first.weight is second.weight
    assert (tied(batch()) - expected).norm() < 0.3 * expected.norm()


def test_a_batch_norm_over_another_axis_than_the_features_is_refused():
    layer = ConvertibleLayer(nn.Linear(6, 6), nn.BatchNorm1d(6))
    assert layer(torch.randn(4, 6)).shape == (4, 6)
    with pytest.raises(ValueError, match="batch norm behind a Linear found that gives .4, 6, 6."):
        layer(torch.randn(4, 6, 6))


def test_an_input_without_a_batch_axis_is_refused(converted):
    with pytest.raises(ValueError, match=r"an input of shape \(2, 16\) found, \(batch, 2, ...\) expected"):
        converted(batch()[0])
    plain = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Conv1d(4, 1, 1))
    make_convertible(plain)
    with pytest.raises(ValueError, match="an input of shape"):
        convert(plain, lambda: plain(batch()[0]), channel_wise=True)
    assert not any(layer.is_converted for layer in convertible_layers(plain).values())


def test_layers_of_different_numbers_of_steps_are_refused():
    found = network()
    first, second, _ = convertible_layers(found)
    convert_layer(found, first, lambda: found(batch()), ConversionSettings(num_steps=8))
    with pytest.raises(ValueError, match=f"num_steps 32 found for layer '{second}', 8 expected"):
        convert_layer(found, second, lambda: found(batch()), ConversionSettings(num_steps=32))


def test_spikes_of_another_number_of_steps_are_refused(converted):
    first, second, _ = convertible_layers(converted).values()
    spikes = first(batch())
    spikes.num_steps = 8
    with pytest.raises(ValueError, match="spikes of 8 steps found, 16 expected by a layer that is spiking"):
        second(spikes)


def test_a_second_conversion_is_refused(converted):
    with pytest.raises(ValueError, match="layer '0' is encoding already"):
        convert(converted, lambda: converted(batch()))
    with pytest.raises(ValueError, match="layer '3' is spiking already"):
        convert_layer(converted, "3", lambda: converted(batch()), ConversionSettings(num_steps=16))


def test_tensors_of_a_converted_network_need_their_settings(converted):
    tensors = {name: values for name, values in converted.state_dict().items() if torch.is_tensor(values)}
    with pytest.raises(RuntimeError, match="found without '0._extra_state', which says how it spikes"):
        network().load_state_dict(tensors, strict=False)
    again = network()
    again.load_state_dict(converted.state_dict())
    assert torch.equal(again(batch()), converted(batch()))
    analog = {name: values for name, values in network().state_dict().items() if torch.is_tensor(values)}
    network().load_state_dict(analog, strict=False)  # as before any conversion: nothing is missing


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace", "ignore::torch.jit.TracerWarning")  # newer torch: deprecated
def test_a_trace_would_freeze_the_spikes_and_is_refused(converted):
    with pytest.raises(RuntimeError, match="a converted layer is being traced.*export_network"):
        torch.jit.trace(converted, batch())


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace", "ignore::torch.jit.TracerWarning")
def test_an_analog_network_can_be_traced():
    found = network()
    traced = torch.jit.trace(found, batch())
    other = torch.randn(SHAPE)
    assert torch.allclose(traced(other), found(other), atol=1e-5)


def test_checkpointed_gradients_are_the_same(converted):
    def gradients(run):
        converted.zero_grad()
        value = batch()
        for module in converted:
            value = run(module, value)
        value.sum().backward()
        return [parameter.grad.clone() for parameter in converted.parameters() if parameter.grad is not None]

    expected = gradients(lambda module, value: module(value))
    found = gradients(lambda module, value: checkpoint(module, value, use_reentrant=False))
    assert len(found) == len(expected)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(found, expected, strict=True))


def test_threads_share_what_a_network_keeps(converted):
    with torch.no_grad():
        expected, wrong = converted(batch()), []

        def run():
            with torch.no_grad():
                if not torch.allclose(converted(batch()), expected, atol=1e-5):
                    wrong.append("another output")

        for _ in range(5):
            keep_synapses(converted)
            threads = [threading.Thread(target=run) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert not wrong


def test_the_default_dtype_of_torch_changes_nothing(converted):
    expected, inputs = converted(batch()), batch()
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(converted(inputs), expected)
    finally:
        torch.set_default_dtype(torch.float32)

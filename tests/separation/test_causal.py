"""A causal network reads no later frame, and is otherwise like the others."""

import copy
import dataclasses

import pytest
import torch
from tiny_separator import TINY, tiny_network
from torch import nn

from spiking_tasnet.separation.causal import differs_in_sight, looking_back
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import load_model, save_model
from spiking_tasnet.separation.residual import add_residuals, fold_residuals, residual_layers, unfold_residuals
from spiking_tasnet.separation.streaming.windows import Windows
from spiking_tasnet.snn import kernels
from spiking_tasnet.snn.energy import dense_macs
from spiking_tasnet.snn.kernels import event, reference
from spiking_tasnet.snn.operators import CausalConv1d, apply_operator, check_operator, fan_out

CAUSAL = dataclasses.replace(TINY, causal=True, n_blocks=4)
TWO_TAPS = dataclasses.replace(CAUSAL, conv_kernel_size=2)


def test_the_paper_is_not_causal():
    assert not ModelConfig().causal and not tiny_network().config.causal


@torch.no_grad()
@pytest.mark.parametrize("spiking", [False, True])
def test_no_output_depends_on_input_more_than_one_filter_later(spiking):
    network, time, change = tiny_network(spiking, CAUSAL), 2000, 1203
    mixture = 0.1 * torch.randn(1, time, generator=torch.Generator().manual_seed(0))
    other = mixture.clone()
    other[:, change:] += 0.1 * torch.randn(1, time - change, generator=torch.Generator().manual_seed(1))
    difference = (network(mixture) - network(other)).abs().amax((0, 1))
    first = change - CAUSAL.kernel_size + 1  # of the filter that reads the first changed sample
    assert difference[:first].max() < 1e-6 and difference[change:].max() > 1e-3
    assert (CAUSAL.kernel_size - 1) / CAUSAL.sample_rate < 0.010


@torch.no_grad()
def test_what_looks_both_ways_does_depend_on_later_input():
    network = tiny_network(config=dataclasses.replace(CAUSAL, causal=False))
    mixture = 0.1 * torch.randn(1, 2000, generator=torch.Generator().manual_seed(0))
    other = mixture.clone()
    other[:, 1203:] = 0
    assert (network(mixture) - network(other)).abs()[..., 1100:1180].max() > 1e-4


@torch.no_grad()
def test_windows_give_what_one_run_over_everything_gives():
    network = tiny_network(config=CAUSAL)
    mixture = 0.1 * torch.randn(3000, generator=torch.Generator().manual_seed(0))
    windows, rows = Windows(network, 500), torch.stack([mixture, mixture]).numpy()
    found = [windows.push(rows), windows.finish()]
    found = torch.cat([torch.from_numpy(block[2:]) for block in found], dim=1)
    torch.testing.assert_close(found, network(mixture[None])[0], atol=1e-6, rtol=0)


def test_a_model_file_keeps_it(tmp_path):
    network = tiny_network(True, CAUSAL)
    save_model(tmp_path / "model.pt", network)
    found, mixture = load_model(tmp_path / "model.pt"), torch.randn(1, 500)
    assert found.config.causal
    with torch.no_grad():
        assert torch.equal(found(mixture), network(mixture))


@torch.no_grad()
@pytest.mark.parametrize("config", [CAUSAL, TWO_TAPS], ids=["three taps", "two taps"])
def test_residual_training_folds_into_the_tap_of_the_own_frame(config):
    network, mixture = tiny_network(config=config), 0.1 * torch.randn(2, 3000)
    assert len(residual_layers(network)) == CAUSAL.n_blocks
    residual = copy.deepcopy(network)
    add_residuals(residual)
    expected = residual(mixture)
    fold_residuals(residual)
    torch.testing.assert_close(residual(mixture), expected, atol=1e-5, rtol=1e-4)
    unfold_residuals(residual, lambda: residual(mixture))
    torch.testing.assert_close(residual(mixture), expected, atol=1e-4, rtol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize(("taps", "kept"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 3)])
def test_a_start_that_looks_both_ways_gives_its_view_of_the_past(taps, kept):
    """A network of five taps, of which the two that look ahead are zero, is its own causal copy."""
    both = tiny_network(config=dataclasses.replace(CAUSAL, causal=False, conv_kernel_size=5))
    for layer in both.separator[1:]:
        layer.operator.weight[..., 3:] = 0
        layer.operator.weight[..., : 3 - kept] = 0
    config = dataclasses.replace(CAUSAL, conv_kernel_size=taps)
    assert differs_in_sight(both.config, config)
    causal, mixture = looking_back(both, config), 0.1 * torch.randn(2, 3000)
    assert causal.config == config and not causal.training
    torch.testing.assert_close(causal(mixture), both(mixture), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    "change", [{"causal": False}, {"hid_chan": 12}, {"conv_kernel_size": 7}, {"n_blocks": 3}, {"stride": 4}]
)
def test_other_sizes_are_no_start_for_it(change):
    config = dataclasses.replace(CAUSAL, conv_kernel_size=5)
    assert not differs_in_sight(dataclasses.replace(config, causal=False), dataclasses.replace(config, **change))
    assert not differs_in_sight(CAUSAL, CAUSAL)


@torch.no_grad()
@pytest.mark.parametrize(("kernel_size", "dilation", "groups"), [(2, 4, 1), (3, 4, 1), (1, 1, 1), (5, 2, 3)])
def test_the_convolution_is_one_with_zeros_before_it(kernel_size, dilation, groups):
    operator = CausalConv1d(6, 9, kernel_size, dilation=dilation, groups=groups)
    plain = nn.Conv1d(6, 9, kernel_size, dilation=dilation, groups=groups)
    plain.load_state_dict(operator.state_dict())
    x = torch.randn(2, 6, 30)
    expected = plain(nn.functional.pad(x, (dilation * (kernel_size - 1), 0)))
    torch.testing.assert_close(operator(x), expected)
    last = x.movedim(1, -1).contiguous().movedim(-1, 1)
    for layout in (x, last):
        torch.testing.assert_close(apply_operator(operator, layout, operator.weight, operator.bias), expected)
    taps = [sum(n + tap * dilation < 30 for tap in range(kernel_size)) for n in range(30)]
    reach = torch.tensor(taps) * (9 // groups)
    assert torch.equal(fan_out(operator, x.shape).flatten(), reach.double())
    assert dense_macs(operator, x.shape) == reach.sum() * 12


def test_a_causal_convolution_with_a_forward_of_its_own_is_refused():
    class Other(CausalConv1d):
        def forward(self, x):
            return super().forward(2 * x)

    with pytest.raises(ValueError, match="Other found, a Conv1d with a forward of its own"):
        check_operator(Other(2, 2, 3))
    assert check_operator(operator := CausalConv1d(2, 2, 3)) is operator


@torch.no_grad()
@pytest.mark.skipif(not event.available(), reason="needs a C compiler")
@pytest.mark.parametrize("n_frames", [2, 40])
def test_the_event_kernel_gives_the_references_spikes(n_frames):
    operator = CausalConv1d(7, 33, 3, dilation=4, bias=False)
    generator = torch.Generator().manual_seed(0)
    words = torch.randint(0, 256, (2, 7, n_frames), generator=generator, dtype=torch.int32)
    weight = torch.randint(-8, 17, operator.weight.shape, generator=generator) / 64
    neurons = kernels.Neurons(weight, torch.full((33,), 1 / 64), torch.full((33,), 0.75))
    expected = reference.simulate(operator, words, 8, neurons)
    assert expected.shape == (2, 33, n_frames)
    assert torch.equal(event.simulate(operator, words, 8, neurons), expected) and expected.any()


def test_a_yaml_says_it(tmp_path):
    from spiking_tasnet.config import read_config
    from spiking_tasnet.separation.config import Config

    (tmp_path / "x.yaml").write_text("model:\n  causal: true\n")
    assert read_config(Config, tmp_path / "x.yaml").model.causal

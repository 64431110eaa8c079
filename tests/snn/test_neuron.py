"""IF dynamics against traces worked by hand and an independent float64 loop."""

import math

import pytest
import torch

from spiking_tasnet.snn.neuron import burst, encode_counts, fire, integrate_and_fire
from spiking_tasnet.snn.words import count_bits, unpack_step


def test_membrane_trace_written_out():
    # theta = 1, z = 0.75 a step: V before firing 0.75, 1.5, 1.25, 1.0 -> exactly at threshold fires.
    threshold, membrane = torch.tensor(1.0), torch.tensor(0.0)
    before, fired = [], []
    for _ in range(4):
        before.append((membrane + 0.75).item())
        spikes, membrane = fire(membrane, torch.tensor(0.75), threshold)
        fired.append(bool(spikes))
    assert before == [0.75, 1.5, 1.25, 1.0]
    assert fired == [False, True, True, True]
    assert membrane.item() == 0.0


def test_negative_current_discharges_and_silences():
    currents = torch.tensor([2.5, -1.0, -1.0, 0.5, 0.5])
    # V: 2.5 fires -> 1.5; 0.5; -0.5; 0.0; 0.5
    train, left = integrate_and_fire(currents, torch.tensor(1.0))
    assert train.int().tolist() == [1, 0, 0, 0, 0]
    assert left.item() == 0.5


def test_one_spike_a_step_at_most():
    train, left = integrate_and_fire(torch.tensor([5.0, 0.0, 0.0]), torch.tensor(1.0))
    assert train.int().tolist() == [1, 1, 1]
    assert left.item() == 2.0


def test_v_init_half_rounds_a_constant_current():
    currents = torch.full((4,), 0.15)
    assert integrate_and_fire(currents, torch.tensor(1.0))[0].sum() == 0  # floor(0.6)
    assert integrate_and_fire(currents, torch.tensor(1.0), v_init=0.5)[0].sum() == 1  # round(0.6)


@pytest.mark.parametrize("v_init", [0.0, 0.5])
def test_against_an_independent_float64_loop(v_init):
    generator = torch.Generator().manual_seed(0)
    currents = torch.randn(32, 200, generator=generator, dtype=torch.float64) * 0.3 + 0.1
    train, left = integrate_and_fire(currents, torch.tensor(0.7, dtype=torch.float64), v_init)
    for neuron in range(200):
        v = v_init * 0.7
        for step in range(32):
            v += float(currents[step, neuron])
            spike = v >= 0.7
            assert bool(train[step, neuron]) == spike
            v -= 0.7 * spike
        assert math.isclose(v, float(left[neuron]), abs_tol=1e-12)


def test_charge_is_conserved():
    currents = torch.randn(20, 50, dtype=torch.float64)
    train, left = integrate_and_fire(currents, torch.tensor(0.5, dtype=torch.float64))
    torch.testing.assert_close(currents.sum(0), 0.5 * train.sum(0) + left)


def test_evenly_spread_input_gives_eq_10_within_one_spike():
    # Eq. 10 rounds V / theta; IF with v_init = 0 floors it, so it lies at most one below; capped at N_s.
    num_steps, theta = 16, torch.tensor(0.25, dtype=torch.float64)
    total = torch.linspace(-2, 8, 401, dtype=torch.float64)
    train, _ = integrate_and_fire((total / num_steps).expand(num_steps, -1), theta)
    rounded = (total / theta).round().clamp(0, num_steps)
    error = rounded - train.sum(0)
    assert error.min() >= 0
    assert error.max() <= 1


def test_encoding_discharges_in_consecutive_steps_from_the_first():
    activation = torch.tensor([0.0, 0.9, 1.0, 2.5, 40.0])
    counts = encode_counts(activation, torch.tensor(1.0), 4)
    assert counts.tolist() == [0, 0, 1, 2, 4]
    words = burst(counts, 4)
    trains = torch.stack([unpack_step(words, step) for step in range(4)], dim=1).int().tolist()
    assert trains == [[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]]


def test_encoding_equals_the_if_neuron_given_everything_at_once():
    generator = torch.Generator().manual_seed(1)
    activation = torch.rand(500, generator=generator, dtype=torch.float64) * 12
    currents = torch.zeros(8, 500, dtype=torch.float64)
    currents[0] = activation
    train, _ = integrate_and_fire(currents, torch.tensor(1.0, dtype=torch.float64))
    assert torch.equal(train.sum(0), encode_counts(activation, torch.tensor(1.0, dtype=torch.float64), 8))


@pytest.mark.parametrize("num_steps", [1, 31, 32, 40])
def test_burst_of_every_length(num_steps):
    counts = torch.arange(num_steps + 1, dtype=torch.int32)
    code = burst(counts, num_steps)
    found = count_bits(code) if num_steps <= 32 else code.sum(0)
    assert torch.equal(found.long(), counts.long())

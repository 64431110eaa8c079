"""The event-driven kernel returns the reference's spikes."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from spiking_tasnet.snn import kernels
from spiking_tasnet.snn.kernels import event, reference
from spiking_tasnet.snn.spikes import Spikes, pack, unpack_step

compiled = pytest.mark.skipif(not event.available(), reason="needs a C compiler")


def spikes(shape, num_steps=32, rate=0.2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    train = torch.rand(num_steps, *shape, generator=generator) < rate
    return Spikes(train.float().sum(0), pack(train), torch.ones(1), num_steps)


def neurons(operator, seed=0):
    """Weights, currents and thresholds whose sums are exact in float32, in whatever order they are added."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-8, 17, operator.weight.shape, generator=generator) / 64
    out = operator.weight.shape[0]
    current = torch.randint(-4, 9, (out,), generator=generator) / 64
    threshold = torch.randint(16, 65, (out,), generator=generator) / 64
    return weight, current, threshold


GEOMETRIES = [
    dict(batch=2, frames=40, chan_in=7, out=33, kernel=3, dilation=4, padding=4),
    dict(batch=1, frames=200, chan_in=5, out=1, kernel=1),
    dict(batch=3, frames=70, chan_in=1, out=64, kernel=5, stride=3, padding=2),
    dict(batch=2, frames=90, chan_in=16, out=130, kernel=2, stride=2, dilation=7),
    dict(batch=1, frames=3, chan_in=4, out=6, kernel=3, dilation=64, padding=64),
]


@compiled
@pytest.mark.parametrize("num_steps", [1, 5, 32])
@pytest.mark.parametrize("v_init", [0.0, 0.5])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_same_spikes_as_the_reference(geometry, num_steps, v_init, monkeypatch):
    shape = {key: geometry.get(key, default) for key, default in (("stride", 1), ("padding", 0), ("dilation", 1))}
    operator = nn.Conv1d(geometry["chan_in"], geometry["out"], geometry["kernel"], **shape)
    given = spikes((geometry["batch"], geometry["chan_in"], geometry["frames"]), num_steps)
    weight, current, threshold = neurons(operator)
    expected = reference.simulate(operator, given, weight, current, threshold, v_init)
    monkeypatch.setenv("SPIKING_TASNET_KERNEL", "event")
    found = kernels.simulate(operator, given, weight, current, threshold, v_init)
    assert torch.equal(found, expected)
    if num_steps == 32 and geometry["frames"] > 3:
        assert bool((found != 0).any()) and bool((found != -1).any())


@compiled
def test_linear_layers(monkeypatch):
    operator = nn.Linear(9, 70)
    given = spikes((11, 9))
    expected = reference.simulate(operator, given, *neurons(operator), 0.0)
    monkeypatch.setenv("SPIKING_TASNET_KERNEL", "event")
    assert torch.equal(kernels.simulate(operator, given, *neurons(operator), 0.0), expected)


@compiled
def test_random_weights_differ_only_where_rounding_decides():
    torch.manual_seed(0)
    operator = nn.Conv1d(24, 40, 3, padding=1)
    given = spikes((2, 24, 100))
    weight, current, threshold = operator.weight.detach(), operator.bias.detach() / 32, torch.full((40,), 0.3)
    words = given.code.transpose(1, 2).contiguous()
    found = event.conv1d_if(words, weight, current, threshold, 0.0, num_steps=32, padding=1).transpose(1, 2)
    membrane = torch.zeros(2, 40, 100, dtype=torch.float64)
    undecided = torch.zeros(2, 40, 100, dtype=torch.bool)
    for step in range(32):
        z = nn.functional.conv1d(given.step(step).double(), weight.double(), current.double(), padding=1)
        membrane += z
        undecided |= (membrane - 0.3).abs() < 1e-5
        spike = membrane >= threshold.double().view(-1, 1)
        assert torch.equal(spike[~undecided], unpack_step(found, step, torch.bool)[~undecided])
        membrane -= 0.3 * spike
    assert undecided.float().mean() < 0.02


@compiled
def test_no_spikes_and_the_sign_bit():
    weight, nothing = torch.ones(3, 2, 1), torch.zeros(1, 4, 2, dtype=torch.int32)
    zero, threshold = torch.zeros(3), torch.ones(3)
    assert not event.conv1d_if(nothing, weight, zero, threshold, 0.0, num_steps=32).any()
    assert not event.conv1d_if(nothing, weight, zero - 5, threshold, 0.5, num_steps=32).any()
    last = torch.full((1, 4, 2), -(2**31), dtype=torch.int32)  # one spike, at step 32
    fired = event.conv1d_if(last, weight, zero, threshold, 0.0, num_steps=32)
    assert torch.equal(fired, torch.full((1, 4, 3), -(2**31), dtype=torch.int32))


@compiled
def test_threads_change_nothing():
    given = spikes((2, 8, 300))
    words = given.code.transpose(1, 2).contiguous()
    weight, threads = torch.randn(20, 8, 3), torch.get_num_threads()
    results = []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            results.append(event.conv1d_if(words, weight, torch.zeros(20), torch.ones(20), 0.0, num_steps=32))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


@compiled
def test_mistakes_are_told():
    words, weight = torch.zeros(1, 4, 2, dtype=torch.int32), torch.ones(3, 2, 1)
    rest = (torch.zeros(3), torch.ones(3), 0.0)
    with pytest.raises(ValueError, match="int32 .batch, n_frames, chan_in. expected"):
        event.conv1d_if(words.long(), weight, *rest, num_steps=32)
    with pytest.raises(ValueError, match=r"float32 \(out, 2, kernel\) expected"):
        event.conv1d_if(words, torch.ones(3, 4, 1), *rest, num_steps=32)
    with pytest.raises(ValueError, match="num_steps 33 found, 1 to 32 expected"):
        event.conv1d_if(words, weight, *rest, num_steps=33)
    with pytest.raises(ValueError, match="fewer than the kernel spans"):
        event.conv1d_if(words, torch.ones(3, 2, 5), *rest, num_steps=32)


def test_the_choice_can_be_overridden(monkeypatch):
    given, operator = spikes((1, 4, 10)), nn.Conv1d(4, 4, 1)
    monkeypatch.setenv("SPIKING_TASNET_KERNEL", "reference")
    assert kernels.choose(operator, given, operator.weight) == "reference"
    monkeypatch.setenv("SPIKING_TASNET_KERNEL", "fast")
    with pytest.raises(ValueError, match="'fast' found, one of reference, event expected"):
        kernels.choose(operator, given, operator.weight)
    monkeypatch.setenv("SPIKING_TASNET_KERNEL", "event")
    grouped = nn.Conv1d(4, 4, 1, groups=2)
    with pytest.raises(ValueError, match="it cannot run"):
        kernels.choose(grouped, given, grouped.weight)
    monkeypatch.delenv("SPIKING_TASNET_KERNEL")
    assert kernels.choose(grouped, given, grouped.weight) == "reference"


@pytest.mark.parametrize("compiler", ["/nowhere/cc", "false"])
def test_without_a_compiler_the_reference_runs_and_one_line_says_so(tmp_path, compiler):
    code = (
        "import logging, torch; logging.basicConfig(); from spiking_tasnet.snn import kernels; "
        "from spiking_tasnet.snn.spikes import Spikes, pack; o = torch.nn.Conv1d(2, 2, 1); "
        "s = Spikes(torch.zeros(1, 2, 3), pack(torch.zeros(4, 1, 2, 3)), torch.ones(1), 4); "
        "print([kernels.choose(o, s, o.weight) for _ in range(2)])"
    )
    environment = os.environ | {"CC": compiler, "XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)}
    if compiler == "false":
        environment["PATH"] = os.environ["PATH"]
    environment.pop("SPIKING_TASNET_KERNEL", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout == "['reference', 'reference']\n"
    assert done.stderr.count("the event-driven kernel cannot be built") == 1

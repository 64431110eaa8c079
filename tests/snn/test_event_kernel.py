"""The event-driven kernel returns the reference's spikes."""

import multiprocessing
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from spiking_tasnet.snn import kernels
from spiking_tasnet.snn.kernels import Neurons, event, reference, threads
from spiking_tasnet.snn.spikes import Spikes
from spiking_tasnet.snn.words import count_bits, pack, unpack_step

compiled = pytest.mark.skipif(not event.available(), reason="needs a C compiler")
no_even_taps = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors: what threads would wait for each other is most of the time on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def simulate(kernel, operator, before, arguments, v_init=0.0, membrane=None, phased=False):
    """The words that a kernel fires; arguments are weight, current and threshold."""
    return kernel.simulate(operator, before.code, before.num_steps, Neurons(*arguments, v_init, phased), membrane)


def spikes(shape, num_steps=32, rate=0.2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    train = torch.rand(num_steps, *shape, generator=generator) < rate
    return Spikes(None, pack(train), torch.ones(1), num_steps)


def neurons(operator, seed=0):
    """Weights, currents and thresholds whose sums are exact in float32, in whatever order they are added."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-8, 17, operator.weight.shape, generator=generator) / 64
    out = operator.weight.shape[0]
    current = torch.randint(-4, 9, (out,), generator=generator) / 64
    scale = max(1, operator.weight[0].numel() // 50)
    threshold = torch.randint(16, 65, (out,), generator=generator) / 64 * scale
    return weight, current, threshold


def integers(operator, largest=127, seed=0):
    """The same for int8 weights: current and threshold in 1/256 of a weight's least significant bit."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-largest - 1, largest + 1, operator.weight.shape, generator=generator).to(torch.int8)
    out, fan_in = operator.weight.shape[0], operator.weight[0].numel()
    current = torch.randint(-20 * largest, 200 * largest, (out,), generator=generator, dtype=torch.int32)
    theta = int(60 * largest * fan_in**0.5)
    return weight, current, torch.randint(theta, 3 * theta, (out,), generator=generator, dtype=torch.int32)


CASES = [
    (nn.Conv1d(7, 33, 3, dilation=4, padding=4), (2, 7, 40)),
    (nn.Conv1d(5, 1, 1), (1, 5, 200)),
    (nn.Conv1d(1, 64, 5, stride=3, padding=2), (3, 1, 70)),
    (nn.Conv1d(16, 130, 2, stride=2, dilation=7), (2, 16, 90)),
    (nn.Conv1d(4, 6, 3, dilation=64, padding=64), (1, 4, 3)),
    (nn.Conv1d(6, 9, 4, dilation=3, padding="same"), (2, 6, 30)),
    (nn.Conv1d(6, 9, 3, padding="valid", groups=3), (2, 6, 30)),
    (nn.Conv1d(300, 20, 3, padding=1), (1, 300, 12)),
    (nn.Conv2d(3, 70, 3, padding=1), (2, 3, 7, 9)),
    (nn.Conv2d(4, 10, (3, 2), stride=(2, 3), padding=(2, 1), dilation=(1, 2), groups=2), (3, 4, 8, 11)),
    (nn.Conv2d(5, 8, (1, 4), padding="same"), (1, 5, 6, 6)),
    (nn.Conv2d(6, 6, 3, stride=2, groups=6), (2, 6, 9, 9)),
    (nn.Linear(9, 70), (11, 9)),
    (nn.Linear(3, 2), (2, 5, 3)),
]


def check(operator, given, arguments, v_init=0.0, membrane=None, phased=False):
    """The kernel's words and membranes, after comparison with the reference's."""
    states = [None if membrane is None else membrane.clone() for _ in range(2)]
    expected = simulate(reference, operator, given, arguments, v_init, states[0], phased)
    found = simulate(event, operator, given, arguments, v_init, states[1], phased)
    assert found.shape == expected.shape and torch.equal(found, expected)
    assert membrane is None or torch.equal(*states)
    return found, states[1]


@compiled
@no_even_taps
@pytest.mark.parametrize("num_steps", [1, 5, 32])
@pytest.mark.parametrize("operator, shape", CASES, ids=str)
def test_same_spikes_as_the_reference(operator, shape, num_steps):
    given = spikes(shape, num_steps)
    found, _ = check(operator, given, neurons(operator), v_init=0.5)
    check(operator, given, neurons(operator), membrane=torch.randint(-64, 64, found.shape) / 64)
    if num_steps == 32 and found.numel() > 20:
        assert bool((found != 0).any()) and bool((found != -1).any())


@compiled
@no_even_taps
@pytest.mark.parametrize("largest", [7, 127])
@pytest.mark.parametrize("operator, shape", CASES, ids=str)
def test_integer_weights_give_the_same_integers(operator, shape, largest):
    given = spikes(shape, 32)
    found, _ = check(operator, given, integers(operator, largest), v_init=0.3)
    check(operator, given, integers(operator, largest), membrane=torch.randint(-(2**16), 2**16, found.shape).int())


@compiled
@no_even_taps
@pytest.mark.parametrize("operator, shape", CASES, ids=str)
def test_phased_neurons_fire_as_the_reference(operator, shape):
    given = spikes(shape, 8)
    found, _ = check(operator, given, neurons(operator), v_init=0.5, phased=True)
    check(operator, given, neurons(operator), membrane=torch.randint(-64, 64, found.shape) / 64, phased=True)
    found, _ = check(operator, given, integers(operator, 127), v_init=0.3, phased=True)
    counts = count_bits(found)
    assert torch.equal(found, (1 << counts) - 1)  # bursts from the first step
    assert found.numel() <= 20 or (bool((counts > 0).any()) and bool((counts < 8).any()))


@compiled
@pytest.mark.parametrize("num_steps", range(1, 33))
def test_every_length_of_the_window(num_steps):
    operator = nn.Conv1d(20, 30, 3, padding=1)
    given = spikes((2, 20, 20), num_steps, seed=num_steps)
    for phased in (False, True):
        check(operator, given, neurons(operator), phased=phased)
        check(operator, given, integers(operator), phased=phased)


@compiled
@pytest.mark.parametrize("arguments", [neurons, integers], ids=["float32", "int8"])
@pytest.mark.parametrize("num_steps", [7, 8, 12, 16, 23, 32])
def test_bursts_of_every_beginning_and_length(num_steps, arguments):
    """Inputs that spike without a break share rows between windows."""
    begin, end = torch.triu_indices(num_steps + 1, num_steps + 1, offset=1)
    steps = torch.arange(num_steps).view(-1, 1)
    train = ((steps >= begin) & (steps < end)).view(num_steps, 1, 1, -1)
    train = torch.cat((train, train.flip(-1), train | train.roll(3, -1)), 2)  # (num_steps, 1, 3, frames)
    operator = nn.Conv1d(3, 70, 3, padding=1)
    check(operator, Spikes(None, pack(train), torch.ones(1), num_steps), arguments(operator), v_init=0.5)


@compiled
@pytest.mark.parametrize("inputs", [400, 600, 5000])
def test_sums_that_need_16_bits_or_more(inputs):
    operator = nn.Linear(inputs, 130)
    given = Spikes(None, torch.full((3, inputs), -1, dtype=torch.int32), torch.ones(1), 32)
    for extreme in (-128, 127):
        weight = torch.full((130, inputs), extreme, dtype=torch.int8)
        current = torch.zeros(130, dtype=torch.int32)
        check(operator, given, (weight, current, current + 100 * 127 * inputs))
    weight, current, threshold = integers(operator)
    check(operator, given, (weight, current, threshold))


@compiled
@pytest.mark.parametrize("arguments", [neurons, integers])
@pytest.mark.parametrize("word", [0, -1, 1, -(2**31)])
def test_silence_saturation_and_the_first_and_last_step(arguments, word):
    operator = nn.Conv1d(6, 40, 3, padding=1)
    given = Spikes(None, torch.full((1, 6, 9), word, dtype=torch.int32), torch.ones(1), 32)
    weight, current, threshold = arguments(operator)
    check(operator, given, (weight, current, threshold), v_init=0.5)
    silent, _ = check(operator, given, (weight, -abs(current) - abs(weight).sum().to(current.dtype) * 256, threshold))
    assert not silent.any()
    most, _ = check(operator, given, (weight, current + abs(weight).sum() * 256 + threshold, threshold))
    assert bool((most == -1).all())


@compiled
def test_a_neuron_at_its_threshold_fires():
    operator = nn.Conv1d(2, 3, 1)
    given = Spikes(None, torch.full((1, 2, 4), -1, dtype=torch.int32), torch.ones(1), 32)
    for ones in (torch.ones(3, 2, 1), torch.ones(3, 2, 1, dtype=torch.int8)):
        scale = 256 if ones.dtype == torch.int8 else 1
        dtype = torch.int32 if scale > 1 else torch.float32
        nothing, theta = torch.zeros(3, dtype=dtype), torch.tensor([2, 4, 2 + 1 / 256]).mul(scale).to(dtype)
        found, _ = check(operator, given, (ones, nothing, theta))
        assert count_bits(found)[0, :, 0].tolist() == [32, 16, 31]


@compiled
@pytest.mark.parametrize("kernel", [reference, event])
@pytest.mark.parametrize("arguments, dtype", [(neurons, torch.float32), (integers, torch.int32)])
def test_two_windows_are_one_longer_window(kernel, arguments, dtype):
    operator = nn.Conv1d(7, 33, 3, padding=1)
    whole, arguments = spikes((2, 7, 20), 29), arguments(operator)
    first = Spikes(None, whole.code & 0xFFF, torch.ones(1), 12)
    second = Spikes(None, (whole.code >> 12) & 0x1FFFF, torch.ones(1), 17)
    membrane = torch.zeros(2, 33, 20, dtype=dtype)
    expected = simulate(kernel, operator, whole, arguments, 0.0, membrane)
    state = torch.zeros(2, 20, 33, dtype=dtype).transpose(1, 2)  # the layout that the kernel writes without a copy
    parts = [simulate(kernel, operator, part, arguments, 0.0, state) for part in (first, second)]
    assert torch.equal(parts[0] | parts[1] << 12, expected)
    assert torch.equal(state, membrane)


@compiled
def test_chained_layers_copy_nothing():
    operator = nn.Conv2d(5, 5, 3, padding=1)
    given = spikes((2, 5, 8, 8))
    given = Spikes(None, given.code.to(memory_format=torch.channels_last), torch.ones(1), 32)
    found, _ = check(operator, given, neurons(operator))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert simulate(event, nn.Conv1d(3, 4, 1), spikes((2, 3, 9)), neurons(nn.Conv1d(3, 4, 1)), 0.0).stride(1) == 1


@compiled
def test_random_weights_differ_only_where_rounding_decides():
    torch.manual_seed(0)
    operator = nn.Conv1d(24, 40, 3, padding=1)
    given = spikes((2, 24, 100))
    weight, current, threshold = operator.weight.detach(), operator.bias.detach() / 32, torch.full((40,), 0.3)
    found = simulate(event, operator, given, (weight, current, threshold), 0.0)
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
@no_even_taps
@pytest.mark.parametrize("operator, shape", CASES[:10], ids=str)
def test_lists_that_do_not_fit_the_pool_are_made_in_turns(operator, shape, monkeypatch):
    monkeypatch.setattr(event, "POOL_BYTES", 80 * event.TABLE)
    check(operator, spikes(shape), neurons(operator), v_init=0.5)


@compiled
def test_threads_change_nothing(monkeypatch):
    monkeypatch.setattr(threads, "MIN_WORK", 1)
    operator, given = nn.Conv1d(8, 200, 3), spikes((2, 8, 300))
    weight, results = torch.randn(200, 8, 3), []
    for number in (1, 2, 3):
        torch.set_num_threads(number)
        results.append(simulate(event, operator, given, (weight, torch.zeros(200), torch.ones(200)), 0.0))
        assert torch.equal(event.count(given.code), count_bits(given.code))
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


@compiled
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_does_without_the_threads_of_its_parent(monkeypatch):
    monkeypatch.setattr(threads, "MIN_WORK", 1)
    torch.set_num_threads(2)
    words = spikes((2, 64, 50)).code
    expected = event.count(words).numpy()  # OpenMP has its threads now
    child = multiprocessing.get_context("fork").Process(
        target=lambda: os._exit(int(not (event.count(words).numpy() == expected).all()))
    )
    child.start()
    child.join(60)
    child.kill()
    assert child.exitcode == 0


def test_counting_spikes():
    words = spikes((3, 50, 40), rate=0.5).code
    for layout in (words, words.transpose(1, 2), words[:, ::3], words[:1].expand(3, 50, 40), words[:0]):
        found = kernels.count_spikes(layout)
        assert found.dtype == torch.int32 and torch.equal(found, count_bits(layout))
    assert kernels.count_spikes(words.transpose(1, 2)).stride() == words.transpose(1, 2).stride()


@compiled
def test_mistakes_are_told():
    operator = nn.Conv1d(2, 3, 1)
    weight, rest = torch.ones(3, 2, 1), (torch.zeros(3), torch.ones(3))
    with pytest.raises(ValueError, match="2 inputs expected"):
        simulate(kernels, operator, spikes((1, 3, 4)), (weight, *rest))
    with pytest.raises(ValueError, match="fewer frames than the kernel spans"):
        simulate(kernels, nn.Conv1d(2, 3, 5), spikes((1, 2, 4)), (torch.ones(3, 2, 5), *rest))
    with pytest.raises(ValueError, match=r"current torch.float32 found, torch.int32 expected with torch.int8 weights"):
        simulate(kernels, operator, spikes((1, 2, 4)), (weight.to(torch.int8), *rest))


def test_the_choice_can_be_overridden(monkeypatch):
    given, operator = spikes((1, 8, 10)), nn.Conv1d(8, 8, 1)
    monkeypatch.setenv("SPIKING_TASNET_KERNEL", "reference")
    assert kernels.choose(operator, given.code, 32, operator.weight) == "reference"
    monkeypatch.setenv("SPIKING_TASNET_KERNEL", "fast")
    with pytest.raises(ValueError, match="'fast' found, one of reference, event, fused expected"):
        kernels.choose(operator, given.code, 32, operator.weight)
    monkeypatch.setenv("SPIKING_TASNET_KERNEL", "event")
    dense = torch.zeros(40, 1, 8, 10, dtype=torch.bool)
    with pytest.raises(ValueError, match="it cannot run"):
        kernels.choose(operator, dense, 40, operator.weight)
    monkeypatch.setenv("SPIKING_TASNET_KERNEL", "fused")
    with pytest.raises(ValueError, match="it cannot run phased neurons behind Conv1d"):
        kernels.choose(operator, given.code, 32, operator.weight, phased=True)
    monkeypatch.delenv("SPIKING_TASNET_KERNEL")
    assert kernels.choose(operator, dense, 40, operator.weight) == "reference"
    depthwise = nn.Conv1d(8, 8, 1, groups=8)  # a block of outputs for each of them would be waste
    assert kernels.choose(depthwise, given.code, 32, depthwise.weight) == "reference"


@pytest.mark.parametrize("compiler", ["/nowhere/cc", "false"])
def test_without_a_compiler_the_reference_runs_and_one_line_says_so(tmp_path, compiler):
    code = (
        "import logging, torch; logging.basicConfig(); from spiking_tasnet.snn import kernels; "
        "from spiking_tasnet.snn.words import pack; o = torch.nn.Conv1d(2, 2, 1); "
        "s = pack(torch.zeros(4, 1, 2, 3)); "
        "print([kernels.choose(o, s, 4, o.weight) for _ in range(2)])"
    )
    environment = os.environ | {"CC": compiler, "XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)}
    environment["TMPDIR"] = str(tmp_path)
    if compiler == "false":
        environment["PATH"] = os.environ["PATH"]
    environment.pop("SPIKING_TASNET_KERNEL", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout == "['reference', 'reference']\n"
    assert done.stderr.count("the event-driven kernel cannot be built") == 1


ENCODINGS = [
    (nn.Conv1d(3, 70, 1), (2, 70, 33)),
    (nn.Conv2d(3, 5, 1), (2, 5, 6, 7)),
    (nn.Linear(3, 130), (9, 130)),
]


@compiled
@pytest.mark.parametrize("encoding", ["burst", "spread"])
@pytest.mark.parametrize("v_init", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("num_steps", [1, 4, 8, 31, 32])
@pytest.mark.parametrize(("operator", "shape"), ENCODINGS)
def test_encoding_is_the_references_to_the_bit(operator, shape, num_steps, v_init, encoding):
    generator = torch.Generator().manual_seed(num_steps)
    activation = torch.relu(torch.randn(shape, generator=generator) * 2)
    threshold = torch.rand(operator.weight.shape[0], generator=generator) + 0.1
    # some at, just below and far above what the window holds
    flat = activation.view(-1)
    flat[:3], flat[3:6] = torch.tensor([0.0, 1e-30, 1e30]), threshold[0] * torch.tensor([1.0, num_steps, num_steps + 7])
    for layout in (activation, activation.movedim(1, -1).contiguous().movedim(-1, 1)):
        found = event.encode(operator, layout, threshold, num_steps, v_init, encoding)
        expected = reference.encode(operator, activation, threshold, num_steps, v_init, encoding)
        assert found.dtype == torch.int32 and torch.equal(found, expected)
    assert count_bits(expected).float().mean() > 0.1

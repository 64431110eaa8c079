"""The fused kernel returns the reference's spikes: compiled where there is a GPU, else in Triton's interpreter.

Triton chooses between the two when it is loaded, so the tests marked `gpu` run twice: here on a CUDA device, if there
is one, and in a process of their own in the interpreter, on tiles of 16 channels x 8 positions.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from spiking_tasnet.snn.kernels import Neurons, fused, reference
from spiking_tasnet.snn.spikes import Spikes
from spiking_tasnet.snn.words import pack, unpack_step

triton = pytest.importorskip("triton")
INTERPRETED = fused._triton().INTERPRETED
DEVICE = "cpu" if INTERPRETED else "cuda"


def on_device(test):
    """Mark a test that runs the kernel."""
    return pytest.mark.gpu(pytest.mark.skipif(not fused.available(), reason="needs a CUDA device")(test))


def simulate(kernel, operator, before, arguments, v_init=0.0, membrane=None):
    """The words that a kernel fires; arguments are weight, current and threshold."""
    return kernel.simulate(operator, before.code, before.num_steps, Neurons(*arguments, v_init), membrane)


def spikes(shape, num_steps=32, rate=0.2):
    generator = torch.Generator().manual_seed(0)
    train = torch.rand(num_steps, *shape, generator=generator) < rate
    return given(pack(train), num_steps)


def given(words, num_steps):
    """Spikes on the device, channels last in memory as the layers pass them on."""
    if words.dim() > 2:
        words = words.movedim(1, -1).contiguous().movedim(-1, 1)
    return Spikes(None, words.to(DEVICE), torch.ones(1), num_steps)


def neurons(operator, integer=False):
    """Weights, currents and thresholds of which every sum is exact; a good part of the neurons meet theirs exactly."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randint(-8, 17, operator.weight.shape, generator=generator)
    out = operator.weight.shape[0]
    current = torch.randint(-4, 9, (out,), generator=generator)
    threshold = torch.randint(16, 65, (out,), generator=generator)
    if integer:
        values = weight.to(torch.int8), (current << 8).int() + 3, (threshold << 8).int() + 1
    else:
        values = weight / 64, current / 64, threshold / 64
    return [value.to(DEVICE) for value in values]


LAYERS = [
    (nn.Conv1d(7, 19, 3, padding=4, dilation=4), (2, 7, 13)),
    (nn.Conv1d(70, 33, 1), (1, 70, 9)),
    (nn.Conv1d(1, 16, 5, stride=3, padding=2), (3, 1, 22)),
    (nn.Conv1d(16, 5, 2, stride=2, dilation=7), (2, 16, 21)),
    (nn.Conv1d(4, 6, 3, dilation=64, padding=64), (1, 4, 3)),
    (nn.Conv1d(3, 4, 4, padding="same", dilation=2), (2, 3, 7)),
    (nn.Conv2d(3, 5, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)), (2, 3, 7, 6)),
    (nn.Conv2d(8, 17, 3, padding=1), (1, 8, 4, 5)),
    (nn.Linear(140, 18), (11, 140)),
    (nn.Linear(9, 1), (2, 3, 9)),
]


@on_device
@pytest.mark.parametrize("integer", [False, True], ids=["float32", "int8"])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: str(layer[0]))
def test_same_spikes_as_the_reference(layer, integer):
    operator, shape = layer
    before, arguments = spikes(shape, 6), neurons(operator, integer)
    assert fused.fits(operator, before.code, 6, arguments[0])
    found = simulate(fused, operator, before, arguments, 0.0)
    expected = simulate(reference, operator, before, arguments, 0.0)
    assert torch.equal(found, expected)
    assert found.shape == expected.shape and bool(found.any())
    assert (found if isinstance(operator, nn.Linear) else found.movedim(1, -1)).is_contiguous()


@on_device
@pytest.mark.parametrize("integer", [False, True], ids=["float32", "int8"])
@pytest.mark.parametrize("num_steps", [1, 2, 3, 8, 9, 16, 17, 32])
def test_any_number_of_steps_and_start(num_steps, integer):
    operator = nn.Conv1d(5, 3, 3, padding=1)
    before, arguments = spikes((1, 5, 9), num_steps, rate=0.4), neurons(operator, integer)
    found = simulate(fused, operator, before, arguments, 0.5)
    assert torch.equal(found, simulate(reference, operator, before, arguments, 0.5))


@on_device
@pytest.mark.parametrize("integer", [False, True], ids=["float32", "int8"])
def test_silent_and_saturated_inputs_and_the_sign_bit(integer):
    operator = nn.Conv1d(3, 2, 1)
    weight = torch.ones(2, 3, 1, dtype=torch.int8 if integer else torch.float32, device=DEVICE)
    unit = 256 if integer else 1.0
    none, theta = torch.full((2,), 0 * unit, device=DEVICE), torch.full((2,), 3 * unit, device=DEVICE)
    if integer:
        none, theta = none.int(), theta.int()
    for word, fires in ((0, 0), (-1, -1), (-(2**31), -(2**31)), (1, 1)):  # three ones meet the threshold exactly
        before = given(torch.full((1, 3, 5), word, dtype=torch.int32), 32)
        found = simulate(fused, operator, before, (weight, none, theta), 0.0)
        assert torch.equal(found, torch.full_like(found, fires))
    silent = given(torch.zeros(1, 3, 5, dtype=torch.int32), 32)
    assert not simulate(fused, operator, silent, (weight, none - 5, theta), 0.5).any()


@on_device
@pytest.mark.parametrize(("integer", "channels_last"), [(False, False), (False, True), (True, False)], ids=str)
def test_windows_go_on_from_the_membrane_they_are_given(integer, channels_last):
    operator = nn.Conv1d(6, 17, 3, padding=1)
    whole, arguments = spikes((2, 6, 10), 12), neurons(operator, integer)
    expected = simulate(reference, operator, whole, arguments, 0.0)
    shape = (2, 10, 17) if channels_last else (2, 17, 10)
    membrane = torch.zeros(shape, dtype=arguments[1].dtype, device=DEVICE)
    membrane = membrane.movedim(-1, 1) if channels_last else membrane
    other, found = membrane.clone(), torch.zeros_like(expected)
    for begin, steps in ((0, 5), (5, 7)):
        window = given(((whole.code >> begin) & ((1 << steps) - 1)).cpu(), steps)
        found |= simulate(fused, operator, window, arguments, 0.0, membrane) << begin
        simulate(reference, operator, window, arguments, 0.0, other)
        assert torch.equal(membrane, other) and bool(membrane.any())
    assert torch.equal(found, expected)


@on_device
def test_words_in_any_layout_of_memory():
    operator = nn.Conv2d(4, 3, (2, 1), padding=(1, 0))
    before, arguments = spikes((2, 4, 3, 4), 4), neurons(operator)
    plain = Spikes(None, before.code.contiguous(), torch.ones(1), 4)
    assert plain.code.stride() != before.code.stride()
    assert torch.equal(
        simulate(fused, operator, plain, arguments, 0.0), simulate(fused, operator, before, arguments, 0.0)
    )


@on_device
def test_random_weights_differ_only_where_rounding_decides():
    torch.manual_seed(0)
    operator, near = nn.Conv1d(40, 24, 3, padding=1), 1e-5
    before = spikes((1, 40, 24))
    weight, current = operator.weight.detach().to(DEVICE), operator.bias.detach().to(DEVICE) / 32
    weight = weight * torch.logspace(-6, 6, 24, device=DEVICE).view(-1, 1, 1)  # thresholds as far apart as they come
    threshold = torch.full((24,), 0.3, device=DEVICE) * weight.flatten(1).abs().amax(1) / 0.09
    found = simulate(fused, operator, before, (weight, current * threshold, threshold), 0.0)
    theta = threshold.double().view(-1, 1)
    v = torch.zeros(1, 24, 24, dtype=torch.float64, device=DEVICE)
    undecided = torch.zeros_like(v, dtype=torch.bool)
    for step in range(32):
        bias = (current * threshold).double()
        v += nn.functional.conv1d(before.step(step).double(), weight.double(), bias, padding=1)
        undecided |= (v / theta - 1).abs() < near
        spike = v >= theta
        assert torch.equal(spike[~undecided], unpack_step(found, step, torch.bool)[~undecided])
        v -= theta * spike
    assert undecided.float().mean() < 0.02 and bool(found.any())


@on_device
def test_weights_split_in_parts_are_the_same(monkeypatch):
    operator, before = nn.Conv1d(6, 9, 2), spikes((1, 6, 5), 4)
    arguments = neurons(operator)
    expected = simulate(fused, operator, before, arguments, 0.0)
    monkeypatch.setattr(fused, "SPLIT_AT_A_TIME", 50)  # four outputs
    assert torch.equal(simulate(fused, operator, before, arguments, 0.0), expected)


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_a_weight_is_the_sum_of_its_halves_to_a_unit_in_the_last_place(size):
    torch.manual_seed(0)
    weight = torch.randn(8, 500, 3) * size * torch.logspace(-3, 3, 8).view(-1, 1, 1)
    weight[5] = 0
    high, low, scale = fused.split_weight(weight)
    scaled = weight.double() * scale.double().view(-1, 1, 1)
    off = (high.double() + low.double() - scaled).abs()
    largest = scaled.abs().amax((1, 2), keepdim=True)
    assert torch.equal(torch.frexp(scale).mantissa, torch.full((8,), 0.5))
    assert bool((off <= scaled.abs() * 2**-23 + largest * 2**-39).all())
    assert float((off == 0).float().mean()) > 0.7
    assert not high[5].any() and not low[5].any()


def test_what_the_kernel_leaves_to_others(monkeypatch):
    monkeypatch.setattr(fused, "available", lambda: True)
    before = torch.zeros(1, 4, 10, dtype=torch.int32)
    grouped, plain = nn.Conv1d(4, 4, 1, groups=2), nn.Conv1d(4, 4, 1)
    assert not fused.fits(grouped, before, 8, grouped.weight)
    assert not fused.fits(plain, before, 8, plain.weight.double())
    assert not fused.fits(plain, torch.zeros(40, 1, 4, 10) > 0, 40, plain.weight)
    assert fused.fits(plain, before, 8, plain.weight) == INTERPRETED  # on a CPU


@pytest.mark.skipif(INTERPRETED, reason="is the interpreter")
def test_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__)), "-m", "gpu"]
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout.splitlines()[-1]


@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled in the interpreter")
@pytest.mark.parametrize(("config", "integer"), [(0, False), (1, False), (0, True)], ids=str)
def test_compiles_for_hopper_without_spills_and_scans_in_place(config, integer, tmp_path, monkeypatch):
    from triton.backends.compiler import GPUTarget

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    tools = [getattr(triton.knobs.nvidia, name, None) for name in ("ptxas", "cuobjdump")]
    if any(tool is None or not Path(tool.path).exists() for tool in tools):
        pytest.skip("needs the ptxas and cuobjdump that Triton ships")
    config = fused._triton().tuned_layer.configs[config]
    binary = triton.compile(
        source_for(config.kwargs, integer),
        target=GPUTarget("cuda", 90, 32),
        options={"num_warps": config.num_warps, "num_stages": config.num_stages},
    )
    cubin = tmp_path / "layer.cubin"
    cubin.write_bytes(binary.asm["cubin"])
    usage = subprocess.run([tools[1].path, "-res-usage", cubin], capture_output=True, text=True, check=True).stdout
    assert "STACK:0" in usage and "LOCAL:0" in usage  # no spills
    assert "wgmma.mma_async" in binary.asm["ptx"]
    assert binary.metadata.shared <= 227 << 10
    # Of everything in the program only the finished words change hands, not the currents.
    moved = [line for line in binary.asm["ttgir"].splitlines() if "ttg.convert_layout" in line]
    assert all("xf32" not in line for line in moved), moved


def source_for(tile, integer):
    """The program of a 512-channel layer with 3 taps and 32 steps, as a launch on CUDA would specialise it."""
    layer = fused._triton().layer
    block_in = 128 if integer else 64
    constants = tile | {"NUM_STEPS": 32, "STEPS": 32, "FRACTION_BITS": 8, "INTEGER": integer, "CARRIES": False}
    constants |= {"TAPS": 3, "KERNEL_WIDTH": 1, "CHUNKS": 512 // block_in, "BLOCK_IN": block_in, "word_chan": 1}
    pointers = dict.fromkeys(("words", "fired"), "*i32") | dict.fromkeys(("high", "low"), "*i8" if integer else "*fp16")
    for name in ("current", "threshold", "start", "scale", "membrane"):
        pointers[name] = "*i32" if integer else "*fp32"
    kinds = {name: pointers.get(name, "i32") for name in layer.arg_names}
    kinds |= dict.fromkeys(constants, "constexpr")
    aligned = {*pointers, "out", "chan_in", "outs", "word_batch", "word_height", "word_width"}
    place = layer.arg_names.index
    return triton.compiler.ASTSource(
        fn=layer,
        signature=kinds,
        constexprs={(place(name),): value for name, value in constants.items()},
        attrs={(place(name),): [["tt.divisibility", 16]] for name in aligned},
    )

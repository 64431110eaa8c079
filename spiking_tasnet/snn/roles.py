"""What a layer computes in each of its roles; one function per role, on plain values."""

from __future__ import annotations

from itertools import repeat
from typing import NamedTuple

import torch
from torch import Tensor, nn

from spiking_tasnet.snn import kernels
from spiking_tasnet.snn.branch import Branch
from spiking_tasnet.snn.fold import BatchNorm
from spiking_tasnet.snn.free_potential import FreeNeurons, free_potential
from spiking_tasnet.snn.kernels import Neurons, PackedWeights
from spiking_tasnet.snn.neuron import integrate_and_fire
from spiking_tasnet.snn.numbers import check_finite
from spiking_tasnet.snn.operators import (
    Operator,
    apply_operator,
    channel_axis,
    is_channels_last,
    per_channel,
    scale_inputs,
)
from spiking_tasnet.snn.settings import SpikingSettings
from spiking_tasnet.snn.spikes import Spikes
from spiking_tasnet.snn.surrogate import surrogate_fire
from spiking_tasnet.snn.tandem import tandem
from spiking_tasnet.snn.words import MAX_PACKED_STEPS, count_bits, is_packed, pack


class Window(NamedTuple):
    """What rate coding hands from one window of steps to the next.

    Attributes:
        membrane: V after the last step, shaped like the output; the next window writes to it.
        fired: spikes of each neuron in all windows so far, int32.
        elapsed: steps so far.
    """

    membrane: Tensor
    fired: Tensor
    elapsed: int


def full_precision(device: torch.device) -> torch.autocast:
    """A block without autocast: spike counts must not depend on the precision of a training."""
    return torch.autocast(device.type, enabled=False)


def analog(
    operator: Operator, norm: BatchNorm | None, x: Tensor | Spikes, *, rectify: bool = True, shortcut: bool = False
) -> Tensor:
    """ReLU(norm(operator(x))), the ANN's layer; with a shortcut, ReLU(norm(operator(x)) + x)."""
    if isinstance(x, Tensor) and is_channels_last(x) and not operator._forward_pre_hooks:  # they may compute weights
        return _analog_channels_last(operator, norm, x, rectify, shortcut)
    value = operator(x)
    if norm is not None and isinstance(operator, nn.Linear) and value.dim() != 2:
        raise ValueError(
            f"a batch norm behind a Linear found that gives {tuple(value.shape)}, (batch, features) expected: it would "
            "normalise the second axis and not the features"
        )
    value = value if norm is None else norm(value)
    if shortcut:
        value = value + (x.value if isinstance(x, Spikes) else x)
    return torch.relu(value) if rectify else value


def _analog_channels_last(
    operator: Operator, norm: BatchNorm | None, x: Tensor, rectify: bool, shortcut: bool
) -> Tensor:
    """The same with one row per frame, (batch * n_frames, chan): the only shape in which PyTorch's norm is fast."""
    value = apply_operator(operator, x, operator.weight, operator.bias).movedim(1, -1)
    shape, value = value.shape, value.flatten(0, 1)
    value = value if norm is None else norm(value)
    # In place where the norm made a new tensor: no gradient needs it, and each pass over new memory takes a tenth of
    # the layer's time. The rows themselves are changed, since autograd copies the whole when a view of it is.
    ours = norm is not None
    if shortcut:
        rows = x.movedim(1, -1).flatten(0, 1)
        value = value.add_(rows) if ours else value + rows
    if rectify:
        value = value.relu_() if ours else torch.relu(value)
    return value.view(shape).movedim(-1, 1)


def encoding(branch: Branch, settings: SpikingSettings, x: Tensor | Spikes) -> Spikes:
    """The analog value, discharged one spike per step from the first (section 3.4), or spread over the window.

    What comes in float64 is summed in float64, so that no order of the sums can flip a spike.
    """
    with full_precision(branch.threshold.device):
        if isinstance(x, Tensor) and x.dtype == torch.float64:
            bias = None if branch.bias is None else branch.bias.double()
            precise = branch._replace(weight=branch.weight.double(), bias=bias)
            activation = precise.activation(x).to(branch.threshold.dtype)
        else:
            activation = branch.activation(_value(branch, x))
    check_finite(activation, "what is encoded")
    with torch.no_grad():
        timing = settings.num_steps, settings.v_init, settings.encoding
        code = kernels.encode(branch.operator, activation, branch.threshold, *timing)
    return _coupled(branch, code, settings.num_steps, activation)


def spiking(
    branch: Branch,
    settings: SpikingSettings,
    x: Spikes,
    neurons: Neurons,
    packed: dict[int, PackedWeights] | None = None,
) -> Spikes:
    """IF neurons driven by spikes (Eq. 3-6); the gradient is the coupled analog layer's (Eq. 11-13).

    Args:
        branch: the coupled analog layer.
        settings: N_s of the spikes that leave.
        x: presynaptic spikes.
        neurons: see `neurons_behind`.
        packed: where the event kernel may keep what it made of the weights.
    """
    with torch.no_grad(), full_precision(branch.threshold.device):
        code = kernels.simulate(branch.operator, x.code, x.num_steps, neurons, packed=packed)
    trained = branch.weight.requires_grad or branch.threshold.requires_grad or x.requires_grad
    if not torch.is_grad_enabled() or not trained:
        return _coupled(branch, code, settings.num_steps, None)
    return _coupled(branch, code, settings.num_steps, branch.activation(x.value))


def readout(branch: Branch, x: Tensor | Spikes) -> Tensor:
    """The free aggregate membrane potential (Eq. 9), rectified where the ANN's layer is."""
    with full_precision(branch.threshold.device):
        return branch.activation(_value(branch, x))


def free_readout(branch: Branch, x: Spikes, free: FreeNeurons) -> Tensor:
    """`readout` of integer weights, added up by the event kernel."""
    with full_precision(branch.threshold.device):
        value = free_potential(branch.operator, x.code, x.num_steps, free)
        if branch.bias is not None:
            value += per_channel(branch.operator, branch.bias)
        return value.relu_() if branch.rectify else value


def surrogate(branch: Branch, settings: SpikingSettings, x: Tensor | Spikes) -> Spikes:
    """IF or LIF neurons whose every spike passes a gradient; an analog input is a constant current."""
    operator, weight, steps = branch.operator, branch.weight, settings.num_steps
    with full_precision(branch.threshold.device):
        current = torch.zeros_like(branch.threshold) if branch.bias is None else branch.bias / steps
        if isinstance(x, Spikes):
            train = x.train.flatten(0, 1)
            drive = apply_operator(operator, train, scale_inputs(operator, weight, x.threshold), current)
            currents = drive.unflatten(0, (steps, -1))
        else:
            constant = apply_operator(operator, x.to(weight.dtype), weight / steps, current)
            check_finite(constant, "the currents")
            currents = repeat(constant, steps)
        threshold = per_channel(operator, branch.threshold)
        train = surrogate_fire(currents, threshold, settings.v_init, settings.decay)
    if train.requires_grad:
        return _spikes(branch, train.sum(0) * threshold, train, steps)
    return _spikes(branch, None, pack(train) if steps <= MAX_PACKED_STEPS else train.bool(), steps)


def rate(branch: Branch, settings: SpikingSettings, x: Tensor | Spikes, window: Window | None) -> tuple[Spikes, Window]:
    """One window of IF neurons of rate coding: the membranes go on where the last window left them.

    Thresholds are the activation range itself, so a firing rate of 1 stands for it, and biases flow whole at every
    step (Diehl et al., 2015; Rueckauer et al., 2017).

    Args:
        branch: of the layer.
        settings: `num_steps` is the length of this window.
        x: spikes, or a tensor that is a constant current.
        window: what the last window returned; None for the first.

    Returns:
        The spikes of this window, whose value is the mean over all windows so far, and the state for the next.
    """
    operator, steps, bias = branch.operator, settings.num_steps, branch.bias
    threshold = per_channel(operator, branch.threshold)
    with torch.no_grad(), full_precision(branch.threshold.device):
        weight, start = branch.weight, settings.v_init * threshold
        if isinstance(x, Spikes):
            current = torch.zeros_like(branch.threshold) if bias is None else bias
            scaled = scale_inputs(operator, weight, x.threshold)
            if window is None:
                shape = apply_operator(operator, torch.empty(x.shape, device="meta"), weight.to("meta")).shape
                membrane = torch.zeros(shape, device=weight.device) + start
            else:
                membrane = window.membrane
            neurons = Neurons(scaled, current, branch.threshold, settings.v_init)
            code = kernels.simulate(operator, x.code, x.num_steps, neurons, membrane)
        else:
            constant = apply_operator(operator, x, weight, bias)
            check_finite(constant, "the currents")
            start = start if window is None else window.membrane
            train, membrane = integrate_and_fire(repeat(constant, steps), threshold, start)
            code = pack(train) if steps <= MAX_PACKED_STEPS else train
        counts = count_bits(code) if is_packed(code, steps) else code.sum(0).to(torch.int32)
        fired = counts if window is None else window.fired + counts
        elapsed = steps if window is None else window.elapsed + steps
        value = fired * (threshold / elapsed)
    return _spikes(branch, value, code, steps), Window(membrane, fired, elapsed)


def _value(branch: Branch, x: Tensor | Spikes) -> Tensor:
    return x.value if isinstance(x, Spikes) else x.to(branch.weight.dtype)


def _spikes(branch: Branch, value: Tensor | None, code: Tensor, num_steps: int) -> Spikes:
    """What neurons behind the branch's operator fire."""
    return Spikes(value, code, branch.amplitude, num_steps, channel_axis(branch.operator))


def _coupled(branch: Branch, code: Tensor, num_steps: int, activation: Tensor | None) -> Spikes:
    """Spikes of `code`, with the tandem gradient of the analog `activation` where there is one."""
    spikes = _spikes(branch, None, code, num_steps)
    trained = torch.is_grad_enabled() and branch.threshold.requires_grad
    if activation is None or not (activation.requires_grad or trained):
        return spikes
    threshold = per_channel(branch.operator, branch.threshold)
    value = tandem(activation, spikes.counts, threshold, num_steps, gated=branch.clip_saturated)
    return _spikes(branch, value, code, num_steps)

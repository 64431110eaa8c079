"""What a `ConvertibleLayer` computes in each of its roles; one function a role, `ROLES` names them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from spiking_tasnet.snn import kernels
from spiking_tasnet.snn.neuron import integrate_and_fire
from spiking_tasnet.snn.operators import apply_operator, is_channels_last, per_channel, scale_inputs
from spiking_tasnet.snn.spikes import MAX_PACKED_STEPS, Spikes, count_bits, pack
from spiking_tasnet.snn.surrogate import surrogate_fire
from spiking_tasnet.snn.tandem import tandem

if TYPE_CHECKING:
    from spiking_tasnet.snn.layers import ConvertibleLayer


def full_precision(layer: ConvertibleLayer) -> torch.autocast:
    """Counts must not depend on the precision of a training."""
    return torch.autocast(layer.threshold.device.type, enabled=False)


def live_norm(layer: ConvertibleLayer) -> nn.Module | None:
    """The batch norm that an analog layer applies; None where it is part of the operator (`fold_shortcut`)."""
    return None if layer.folded else layer.norm


def analog(layer: ConvertibleLayer, x: Tensor | Spikes) -> Tensor:
    """ReLU(norm(operator(x))): the ANN's layer."""
    if isinstance(x, Tensor) and is_channels_last(x):
        return _analog_channels_last(layer, x)
    value, norm = layer.operator(x), live_norm(layer)
    value = value if norm is None else norm(value)
    if layer.shortcut:
        value = value + (x.value if isinstance(x, Spikes) else x)
    return torch.relu(value) if layer.rectify else value


def _analog_channels_last(layer: ConvertibleLayer, x: Tensor) -> Tensor:
    """The same with a row per frame, (batch * n_frames, chan): for the norm PyTorch is fast in that shape only."""
    value = apply_operator(layer.operator, x, layer.operator.weight, layer.operator.bias).movedim(1, -1)
    shape, value = value.shape, value.flatten(0, 1)
    norm = live_norm(layer)
    value = value if norm is None else norm(value)
    # In place where the norm made a new tensor: no gradient needs it, and each pass over new memory takes a tenth of
    # the layer's time. The rows themselves are changed, since autograd copies the whole when a view of it is.
    ours = norm is not None
    if layer.shortcut:
        rows = x.movedim(1, -1).flatten(0, 1)
        value = value.add_(rows) if ours else value + rows
    if layer.rectify:
        value = value.relu_() if ours else torch.relu(value)
    return value.view(shape).movedim(-1, 1)


def encoding(layer: ConvertibleLayer, x: Tensor | Spikes) -> Spikes:
    """The analog value, discharged one spike a step from the first (section 3.4), or spread over the window."""
    steps = layer.num_steps
    with full_precision(layer):
        activation = _activation(layer, x)
    with torch.no_grad():
        code = kernels.encode(layer.operator, activation, layer.threshold, steps, layer.v_init, layer.spread)
    return _coupled(layer, code, activation)


def spiking(layer: ConvertibleLayer, x: Tensor | Spikes) -> Spikes:
    """IF neurons driven by spikes (Eq. 3-6); the coupled analog layer's gradient (Eq. 11-13)."""
    x = _spikes(x)
    weight, bias = layer.effective_weights(x)
    with torch.no_grad(), full_precision(layer):
        synapses, rows = layer.synapses(x.threshold, weight, bias), layer.packed_rows(x.threshold)
        code = kernels.simulate(layer.operator, x, *synapses, layer.v_init, packed=rows)
    if not torch.is_grad_enabled() or not (weight.requires_grad or x.requires_grad):
        return _coupled(layer, code, None)
    pre = apply_operator(layer.operator, x.value, weight, bias)
    return _coupled(layer, code, torch.relu(pre))


def readout(layer: ConvertibleLayer, x: Tensor | Spikes) -> Tensor:
    """The free aggregate membrane potential (Eq. 9), rectified where the ANN's layer is."""
    with full_precision(layer):
        return _activation(layer, x)


def surrogate(layer: ConvertibleLayer, x: Tensor | Spikes) -> Spikes:
    """IF or LIF neurons whose every spike passes a gradient; an analog input is a constant current."""
    weight, bias = layer.effective_weights(x)
    operator, steps = layer.operator, layer.num_steps
    with full_precision(layer):
        current = torch.zeros_like(layer.threshold) if bias is None else bias / steps
        if isinstance(x, Spikes):
            train = x.train.flatten(0, 1)
            drive = apply_operator(operator, train, scale_inputs(operator, weight, x.threshold), current)
            currents = drive.unflatten(0, (steps, -1))
        else:
            constant = apply_operator(operator, x.to(weight.dtype), weight / steps, current)
            currents = repeat(constant, steps)
        threshold = per_channel(operator, layer.threshold)
        train = surrogate_fire(currents, threshold, layer.v_init, layer.decay)
    if train.requires_grad:
        return Spikes(train.sum(0) * threshold, train, layer.spike_worth, steps)
    return Spikes(None, pack(train) if steps <= MAX_PACKED_STEPS else train.bool(), layer.spike_worth, steps)


def rate(layer: ConvertibleLayer, x: Tensor | Spikes) -> Spikes:
    """IF neurons of rate coding, one window after the other: the membranes go on where the last window left them.

    Thresholds are the activation range itself, so a firing rate of 1 stands for it, and biases flow whole at every
    step (Diehl 2015, Rueckauer 2017: [26], [27]). The value of the spikes is the mean over all windows so far.
    """
    operator, steps = layer.operator, layer.num_steps
    threshold = per_channel(operator, layer.threshold)
    with torch.no_grad(), full_precision(layer):
        weight, bias = layer.effective_weights(x)
        if isinstance(x, Spikes):
            current = torch.zeros_like(layer.threshold) if bias is None else bias
            synapses = (scale_inputs(operator, weight, x.threshold), current, layer.threshold)
            if layer.membrane is None:
                shape = apply_operator(operator, torch.empty(x.shape, device="meta"), weight.to("meta")).shape
                layer.membrane = torch.zeros(shape, device=weight.device) + layer.v_init * threshold
            code = kernels.simulate(operator, x, *synapses, layer.v_init, membrane=layer.membrane)
        else:
            constant = apply_operator(operator, x, weight, bias)
            start = layer.v_init * threshold if layer.membrane is None else layer.membrane
            train, layer.membrane = integrate_and_fire(repeat(constant, steps), threshold, start)
            code = pack(train)
        counts = count_bits(code)
        layer.fired = counts if layer.fired is None else layer.fired + counts
        layer.elapsed += steps
    return Spikes(layer.fired * (threshold / layer.elapsed), code, layer.spike_worth, steps)


ROLES: dict[str, Callable[[ConvertibleLayer, Tensor | Spikes], Tensor | Spikes]] = {
    "analog": analog,
    "encoding": encoding,
    "spiking": spiking,
    "readout": readout,
    "surrogate": surrogate,
    "rate": rate,
}


def _activation(layer: ConvertibleLayer, x: Tensor | Spikes) -> Tensor:
    weight, bias = layer.effective_weights(x)
    x = x.value if isinstance(x, Spikes) else x.to(weight.dtype)
    pre = apply_operator(layer.operator, x, weight, bias)
    return torch.relu(pre) if layer.rectify else pre


def _spikes(x: Tensor | Spikes) -> Spikes:
    if not isinstance(x, Spikes):
        raise TypeError("a spiking layer was given a tensor, Spikes expected: a layer below it reads counts")
    return x


def _coupled(layer: ConvertibleLayer, code: Tensor, activation: Tensor | None) -> Spikes:
    """Spikes of `code`, with the tandem gradient of the analog `activation` where there is one."""
    spikes = Spikes(None, code, layer.spike_worth, layer.num_steps)
    if activation is None or not activation.requires_grad:
        return spikes
    scale = per_channel(layer.operator, layer.threshold)
    value = spikes.counts * scale
    limit = scale * layer.num_steps if layer.gate else None
    return Spikes(tandem(activation, value, limit), code, layer.spike_worth, layer.num_steps)

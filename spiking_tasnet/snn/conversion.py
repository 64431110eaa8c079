"""Conversion of a layer and, without any training, of a whole network (primitive conversion, section 3)."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from spiking_tasnet.snn.compose import (
    LayerReport,
    check_own_parameters,
    convertible_layers,
    evaluating,
    execution_order,
)
from spiking_tasnet.snn.computed import check_computed
from spiking_tasnet.snn.layers import ConvertibleLayer
from spiking_tasnet.snn.numbers import NumberError
from spiking_tasnet.snn.operators import check_batched
from spiking_tasnet.snn.rehearsal import rehearsed
from spiking_tasnet.snn.settings import ConversionSettings
from spiking_tasnet.snn.spikes import Spikes
from spiking_tasnet.snn.threshold import OrderStatistic, activation_percentile, check_activations
from spiking_tasnet.snn.undo import restored_on_failure

logger = logging.getLogger(__name__)
Run = Callable[[], object]


class MeasuredLayer(NamedTuple):
    """What an analog layer did while its network ran.

    Attributes:
        activations: (items, chan, ...) of all its calls, on the CPU.
        amplitude: theta of the spikes that it was given at the first call; None where that was a tensor.
    """

    activations: Tensor
    amplitude: Tensor | None


def measure_activations(network: nn.Module, layer: ConvertibleLayer, run: Run) -> MeasuredLayer:
    """What an analog `layer` does while `run` runs the network in eval mode.

    Raises:
        ValueError: `run` never reached the layer.
    """
    collected: list[Tensor] = []
    amplitudes: list[Tensor | None] = []

    def hook(_: nn.Module, inputs: tuple, output: Tensor) -> None:
        check_batched(layer.operator, inputs[0].shape)
        amplitudes.append(inputs[0].threshold if isinstance(inputs[0], Spikes) else None)
        flat = output.reshape(-1, output.shape[-1]) if isinstance(layer.operator, nn.Linear) else output.flatten(2)
        collected.append(flat.detach().cpu())

    handle = layer.register_forward_hook(hook)
    try:
        with evaluating(network):
            run()
    finally:
        handle.remove()
    if not collected:
        raise ValueError("the layer to convert was never reached: does the network's forward call it?")
    if collected[0].dim() == 3:  # items may differ in length: channels first, everything else in one axis
        joined = torch.cat([part.transpose(0, 1).reshape(part.shape[1], -1) for part in collected], dim=1)
        return MeasuredLayer(joined.t(), amplitudes[0])
    return MeasuredLayer(torch.cat(collected), amplitudes[0])


def convert_layer(
    network: nn.Module, name: str, run: Run, settings: ConversionSettings, order_statistic: OrderStatistic | None = None
) -> Tensor | None:
    """Measure the threshold of one analog layer on the network as it is now, and convert the layer.

    Its role follows from what it is given: `Spikes` make it spiking, a tensor makes it the encoding layer, and a
    layer marked `readout` becomes a readout.

    Args:
        network: the hybrid network, layers below `name` converted.
        name: of the layer, as in `convertible_layers`.
        run: runs the network on training batches.
        settings: how it is to spike.
        order_statistic: takes the percentile; None for that of this process alone.

    Returns:
        a_u, (1,) or (out,); None for a readout.

    Raises:
        ValueError: a dead layer, named; NaN; counts reached a layer above spiking ones; the layer is converted already,
            its num_steps are not those of the others, its parameters are also another module's, or its integers do not
            fit in 32 bits. The network is as it was then.
    """
    measured = measure_layer(network, name, run, settings)
    return convert_measured(network, name, measured, settings, order_statistic)[0]


def measure_layer(network: nn.Module, name: str, run: Run, settings: ConversionSettings) -> MeasuredLayer:
    """The first half of `convert_layer`: check the layer and run the network. Nothing is written."""
    check_own_parameters(network)
    layers = convertible_layers(network)
    layer = layers[name]
    _check_analog(name, layer)
    check_computed(layer.operator, settings.folded)
    others = {other.num_steps for other in layers.values() if other.is_spiking} - {settings.num_steps}
    if others and not layer.readout:
        raise ValueError(
            f"num_steps {settings.num_steps} found for layer {name!r}, {others.pop()} expected as in the others"
        )
    measured = measure_activations(network, layer, run)
    if measured.amplitude is None and any(other.is_spiking for other in layers.values()):
        # Right only if it is the first layer of a part of its own: then nothing that it is given comes from spikes.
        with evaluating(network), rehearsed(network) as rehearsal:
            run()
        rehearsal.check()
    if not layer.readout:
        with _named(name):
            check_activations(measured.activations)
    return measured


def convert_measured(
    network: nn.Module,
    name: str,
    measured: MeasuredLayer,
    settings: ConversionSettings,
    order_statistic: OrderStatistic | None = None,
) -> tuple[Tensor | None, dict[str, str]]:
    """The second half of `convert_layer`: take the percentile and convert.

    Args:
        network: that was measured, or the one that this is a copy of.
        name: of the layer.
        measured: of `measure_layer`.
        settings: how it is to spike.
        order_statistic: as in `convert_layer`.

    Returns:
        a_u, and what computed the layer's weights (see `make_plain`).
    """
    layer, act_max = convertible_layers(network)[name], None
    if not layer.readout:
        act_max = _act_max(name, measured.activations, settings, order_statistic).to(layer.threshold.device)
    with restored_on_failure([layer]):
        computed = _convert(name, layer, act_max, settings, first=measured.amplitude is None)
        if layer.role == "spiking" and settings.constraints.weight_bits and measured.amplitude is not None:
            try:  # its integers have to fit
                layer.neurons(layer.branch(input_amplitude=measured.amplitude), measured.amplitude)
            except NumberError as error:
                raise ValueError(f"layer {name!r}: {error}") from None
    return act_max, computed


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Name the layer in what the block refuses."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"layer {name!r}: {error}") from None


def _check_analog(name: str, layer: ConvertibleLayer) -> None:
    if layer.is_converted:
        raise ValueError(f"layer {name!r} is {layer.role} already: convert a network of analog layers, or a copy of it")


def _act_max(
    name: str, activations: Tensor, settings: ConversionSettings, statistic: OrderStatistic | None = None
) -> Tensor:
    with _named(name):
        act_max = activation_percentile(activations, settings.percentile, settings.channel_wise, statistic)
    if not bool((act_max > 0).all()):
        raise ValueError(
            f"layer {name!r} is dead: the {settings.percentile:g}th percentile of {activations.numel()} measured "
            "activations is 0, a value > 0 is needed for a threshold; raise the percentile or train the ANN longer"
        )
    return act_max


def _convert(
    name: str, layer: ConvertibleLayer, act_max: Tensor | None, settings: ConversionSettings, first: bool
) -> dict[str, str]:
    if layer.readout:
        role = "readout"
    elif settings.method == "tandem":
        role = "encoding" if first else "spiking"
    else:
        role = settings.method
    layer.label = name
    computed = layer.convert(settings.of_layer(role), act_max)
    for tensor, what in computed.items():
        logger.info("%s", _baked(name, tensor, what))
    return computed


def _baked(name: str, tensor: str, what: str) -> LayerReport:
    return LayerReport(f"{name}.operator", "baked", f"{what} of the {tensor}, which is a plain parameter now")


def convert(
    network: nn.Module,
    run: Run,
    settings: ConversionSettings | None = None,
    *,
    order_statistic: OrderStatistic | None = None,
    **changes: Any,
) -> list[LayerReport]:
    """Convert every convertible layer in execution order, without training (primitive conversion).

    With the method ``tandem`` the thresholds of a layer are measured on the hybrid network below it, as PTL does; the
    other methods normalise by the activations of the ANN itself, as their papers do.

    Args:
        network: composed of `ConvertibleLayer` (see `make_convertible` for plain torch networks).
        run: runs the network on some training batches, e.g. ``lambda: network(batch)``.
        settings: how the layers are to spike; `ConversionSettings()` if None.
        order_statistic: takes the percentiles; None for those of this process alone.
        **changes: fields of `ConversionSettings` to change, e.g. ``num_steps=16``.

    Returns:
        One report for each layer, folded batch norm and analog remainder.

    Raises:
        ValueError: nothing to convert, a dead layer, NaN, integers beyond 32 bits, or spikes that cannot cross the
            network. The network is as it was then, whatever is raised.
    """
    settings = dataclasses.replace(settings or ConversionSettings(), **changes)
    layers = convertible_layers(network)
    if not layers:
        raise ValueError("no convertible layer found: compose ConvertibleLayer, or call make_convertible first")
    for name, layer in layers.items():
        _check_analog(name, layer)
        check_computed(layer.operator, settings.folded)
    check_own_parameters(network)
    with execution_order(network) as order, evaluating(network), rehearsed(network) as rehearsal:
        run()
    rehearsal.check()
    names = [name for name in order if name in layers]
    if not names:
        raise ValueError("no convertible layer was reached: does the network's forward call them?")
    ranges: dict[str, Tensor | None] = dict.fromkeys(names)
    computed: dict[str, dict[str, str]] = {}
    with restored_on_failure(layers.values()):
        if settings.method == "tandem":
            for name in names:
                layer = measure_layer(network, name, run, settings)
                ranges[name], computed[name] = convert_measured(network, name, layer, settings, order_statistic)
        else:
            for name in names:
                if not layers[name].readout:
                    activations = measure_activations(network, layers[name], run).activations
                    act_max = _act_max(name, activations, settings, order_statistic)
                    ranges[name] = act_max.to(layers[name].threshold.device)
            for name in names:
                computed[name] = _convert(name, layers[name], ranges[name], settings, first=name == names[0])
    reports = _reports(network, order, ranges, computed)
    for report in reports:
        logger.info("%s", report)
    return reports


def _reports(
    network: nn.Module, order: list[str], ranges: dict[str, Tensor | None], computed: dict[str, dict[str, str]]
) -> list[LayerReport]:
    """What became of every module that runs, in execution order."""
    reports, layers = [], convertible_layers(network)
    for name in order:
        if name not in layers:
            kind = type(network.get_submodule(name)).__name__
            reports.append(LayerReport(name, "analog", f"{kind} left as it is"))
            continue
        layer, act_max = layers[name], ranges[name]
        sizes = "" if act_max is None else f", a_u {act_max.mean():.4g}, theta {layer.threshold.mean():.4g}"
        reports.append(LayerReport(name, "converted", layer.role + sizes))
        reports += [_baked(name, tensor, what) for tensor, what in computed[name].items()]
        if layer.norm is not None and layer.settings.folded:
            reports.append(LayerReport(f"{name}.norm", "folded", f"into {name}.operator"))
    return reports

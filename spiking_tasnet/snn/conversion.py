"""Conversion of a layer and, without any training, of a whole network (primitive conversion, section 3)."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from spiking_tasnet.snn.compose import LayerReport, check_own_parameters, convertible_layers, execution_order
from spiking_tasnet.snn.layers import ConvertibleLayer
from spiking_tasnet.snn.operators import check_batched
from spiking_tasnet.snn.settings import ConversionSettings
from spiking_tasnet.snn.spikes import Spikes
from spiking_tasnet.snn.threshold import OrderStatistic, activation_percentile, check_activations

logger = logging.getLogger(__name__)
Run = Callable[[], object]


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients inside; every module's own mode is restored after."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def measure_activations(network: nn.Module, layer: ConvertibleLayer, run: Run) -> tuple[Tensor, bool]:
    """Outputs of an analog `layer` while `run` runs the network in eval mode, and whether it was given `Spikes`.

    Returns:
        Activations (items, chan, ...) of all its calls, on the CPU, and the flag.

    Raises:
        ValueError: `run` never reached the layer.
    """
    collected: list[Tensor] = []
    spiking_input: list[bool] = []

    def hook(_: nn.Module, inputs: tuple, output: Tensor) -> None:
        check_batched(layer.operator, inputs[0].shape)
        spiking_input.append(isinstance(inputs[0], Spikes))
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
        return joined.t(), spiking_input[0]
    return torch.cat(collected), spiking_input[0]


class MeasuredLayer(NamedTuple):
    """What an analog layer did while its network ran.

    Attributes:
        activations: (items, chan, ...) of all its calls, on the CPU.
        given_spikes: whether it was given `Spikes`.
    """

    activations: Tensor
    given_spikes: bool


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
        ValueError: a dead layer, named; a tensor reached a layer above spiking ones; the layer is converted already,
            its num_steps are not those of the others, or its parameters are also another module's.
    """
    return convert_measured(network, name, measure_layer(network, name, run, settings), settings, order_statistic)


def measure_layer(network: nn.Module, name: str, run: Run, settings: ConversionSettings) -> MeasuredLayer:
    """The first half of `convert_layer`: check the layer and run the network. Nothing is written."""
    check_own_parameters(network)
    layers = convertible_layers(network)
    layer = layers[name]
    if layer.is_converted:
        raise ValueError(f"layer {name!r} is {layer.role} already: convert a network of analog layers, or a copy of it")
    others = {other.num_steps for other in layers.values() if other.is_spiking} - {settings.num_steps}
    if others and not layer.readout:
        raise ValueError(
            f"num_steps {settings.num_steps} found for layer {name!r}, {others.pop()} expected as in the others"
        )
    measured = MeasuredLayer(*measure_activations(network, layer, run))
    below_spikes = any(other.is_spiking for other in layers.values())
    if below_spikes and not measured.given_spikes:
        raise ValueError(
            f"layer {name!r} is given a tensor though layers below it spike: something between reads counts "
            "(pooling, another activation, arithmetic); replace it by a strided convolution or a convertible layer"
        )
    if not layer.readout:
        check_activations(measured.activations)
    return measured


def convert_measured(
    network: nn.Module,
    name: str,
    measured: MeasuredLayer,
    settings: ConversionSettings,
    order_statistic: OrderStatistic | None = None,
) -> Tensor | None:
    """The second half of `convert_layer`: take the percentile and convert."""
    layer, act_max = convertible_layers(network)[name], None
    if not layer.readout:
        act_max = _act_max(name, measured.activations, settings, order_statistic).to(layer.threshold.device)
    _convert(layer, act_max, settings, first=not measured.given_spikes)
    return act_max


def _act_max(
    name: str, activations: Tensor, settings: ConversionSettings, statistic: OrderStatistic | None = None
) -> Tensor:
    act_max = activation_percentile(activations, settings.percentile, settings.channel_wise, statistic)
    if not bool((act_max > 0).all()):
        raise ValueError(
            f"layer {name!r} is dead: the {settings.percentile:g}th percentile of {activations.numel()} measured "
            "activations is 0, a value > 0 is needed for a threshold; raise the percentile or train the ANN longer"
        )
    return act_max


def _convert(layer: ConvertibleLayer, act_max: Tensor | None, settings: ConversionSettings, first: bool) -> None:
    if layer.readout:
        role = "readout"
    elif settings.method == "tandem":
        role = "encoding" if first else "spiking"
    else:
        role = settings.method
    layer.convert(settings.of_layer(role), act_max)


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
        ValueError: nothing to convert, a dead layer, or spikes that cannot cross the network.
    """
    settings = dataclasses.replace(settings or ConversionSettings(), **changes)
    with execution_order(network) as order, evaluating(network):
        run()
    layers = convertible_layers(network)
    names = [name for name in order if name in layers]
    check_own_parameters(network)
    for name in names:
        if layers[name].is_converted:
            raise ValueError(
                f"layer {name!r} is {layers[name].role} already: convert the analog network, or a copy of it"
            )
    if not names:
        raise ValueError("no convertible layer found: compose ConvertibleLayer, or call make_convertible first")
    ranges: dict[str, Tensor | None] = {}
    if settings.method == "tandem":
        for name in names:
            ranges[name] = convert_layer(network, name, run, settings, order_statistic)
    else:
        for name in names:
            ranges[name] = None
            if not layers[name].readout:
                measured, _ = measure_activations(network, layers[name], run)
                ranges[name] = _act_max(name, measured, settings, order_statistic).to(layers[name].threshold.device)
        for name in names:
            _convert(layers[name], ranges[name], settings, first=name == names[0])
    reports = _reports(network, order, ranges)
    for report in reports:
        logger.info("%s", report)
    return reports


def _reports(network: nn.Module, order: list[str], ranges: dict[str, Tensor | None]) -> list[LayerReport]:
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
        if layer.norm is not None and layer.settings.folded:
            reports.append(LayerReport(f"{name}.norm", "folded", f"into {name}.operator"))
    return reports

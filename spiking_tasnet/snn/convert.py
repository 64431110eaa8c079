"""Conversion of a layer and, without any training, of a whole network (primitive conversion, section 3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from spiking_tasnet.snn.layers import ConvertibleLayer
from spiking_tasnet.snn.network import LayerReport, convertible_layers, execution_order
from spiking_tasnet.snn.spikes import Spikes
from spiking_tasnet.snn.threshold import activation_percentile

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


def convert_layer(
    network: nn.Module,
    name: str,
    run: Run,
    *,
    num_steps: int,
    percentile: float = 99.9,
    channel_wise: bool = False,
    v_init: float = 0.0,
    agree: Callable[[Tensor], Tensor] = lambda act_max: act_max,
) -> Tensor | None:
    """Measure the threshold of one analog layer on the network as it is now, and convert the layer.

    Its role follows from what it is given: `Spikes` make it spiking, a tensor makes it the encoding layer, and a
    layer marked `readout` becomes a readout.

    Args:
        network: the hybrid network, layers below `name` converted.
        name: of the layer, as in `convertible_layers`.
        run: runs the network on training batches.
        num_steps: N_s.
        percentile: of the activations, in %.
        channel_wise: one threshold a channel.
        v_init: V[0] as a fraction of the threshold.
        agree: makes one a_u of those measured by several processes.

    Returns:
        a_u, (1,) or (out,); None for a readout.

    Raises:
        ValueError: a dead layer, named; or a tensor reached a layer above spiking ones.
    """
    layers = convertible_layers(network)
    layer = layers[name]
    activations, given_spikes = measure_activations(network, layer, run)
    below_spikes = any(other.role in ("encoding", "spiking") for other in layers.values())
    if below_spikes and not given_spikes:
        raise ValueError(
            f"layer {name!r} is given a tensor though layers below it spike: something between reads counts "
            "(pooling, another activation, arithmetic); replace it by a strided convolution or a convertible layer"
        )
    if layer.readout:
        layer.convert("readout", num_steps=num_steps)
        return None
    act_max = agree(activation_percentile(activations, percentile, channel_wise)).to(layer.threshold.device)
    if not bool((act_max > 0).all()):
        raise ValueError(
            f"layer {name!r} is dead: the {percentile:g}th percentile of {activations.numel()} measured activations is "
            "0, a value > 0 is needed for a threshold; raise the percentile or train the ANN longer"
        )
    layer.convert("spiking" if given_spikes else "encoding", act_max, num_steps, v_init)
    return act_max


def convert(
    network: nn.Module,
    run: Run,
    *,
    num_steps: int = 32,
    percentile: float = 99.9,
    channel_wise: bool = False,
    v_init: float = 0.0,
) -> list[LayerReport]:
    """Convert every convertible layer in execution order, without training (primitive conversion).

    Args:
        network: composed of `ConvertibleLayer` (see `make_convertible` for plain torch networks).
        run: runs the network on some training batches, e.g. ``lambda: network(batch)``.
        num_steps: N_s.
        percentile: that sets the thresholds, in %.
        channel_wise: one threshold a channel.
        v_init: V[0] as a fraction of the threshold.

    Returns:
        One report a layer, folded batch norm and analog remainder.

    Raises:
        ValueError: nothing to convert, a dead layer, or spikes that cannot cross the network.
    """
    with execution_order(network) as order, evaluating(network):
        run()
    layers = convertible_layers(network)
    if not any(name in layers for name in order):
        raise ValueError("no convertible layer found: compose ConvertibleLayer, or call make_convertible first")
    reports = []
    for name in order:
        if name not in layers:
            reports.append(LayerReport(name, "analog", f"{type(network.get_submodule(name)).__name__} left as it is"))
            continue
        layer = layers[name]
        act_max = convert_layer(
            network, name, run, num_steps=num_steps, percentile=percentile, channel_wise=channel_wise, v_init=v_init
        )
        told = "" if act_max is None else f", a_u {act_max.mean():.4g}, theta {act_max.mean() / num_steps:.4g}"
        reports.append(LayerReport(name, "converted", layer.role + told))
        if layer.norm is not None:
            reports.append(LayerReport(f"{name}.norm", "folded", f"into {name}.operator"))
    for report in reports:
        logger.info("%s", report)
    return reports

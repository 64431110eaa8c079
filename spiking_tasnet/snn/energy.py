"""Cost of a network: MACs of the ANN, synaptic operations of the SNN, energy with stated costs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from spiking_tasnet.snn.layers import ConvertibleLayer
from spiking_tasnet.snn.operation_count import counted_operations
from spiking_tasnet.snn.operators import OPERATORS, Operator, fan_out
from spiking_tasnet.snn.spikes import Spikes

logger = logging.getLogger(__name__)
COUNTED = (*OPERATORS, nn.ConvTranspose1d)
ITSELF = "(network)"  # what the outermost forward computes itself
MAC_JOULE = 4.6e-12  # 32-bit float multiply-accumulate in 45 nm
AC_JOULE = 0.9e-12  # 32-bit float addition in 45 nm
ENERGY_SOURCE = "Horowitz, ISSCC 2014: 45 nm, 32-bit float, multiply 3.7 pJ + add 0.9 pJ a MAC, add 0.9 pJ an AC"


Hook = Callable[[nn.Module, tuple, Tensor | Spikes], None]


@dataclass
class LayerCost:
    """Sums over everything a layer processed while it was recorded.

    Attributes:
        role: of the layer: ``analog`` for what does not spike.
        macs: dense multiply-accumulates, which is what the ANN spends (a padded tap costs none).
        synops: additions driven by incoming spikes: sum over steps of spikes x fan-out; 0 if given a tensor.
        spikes_in: incoming spikes.
        spikes_out: spikes fired.
        neurons: output neurons x items.
        neuron_updates: neurons x N_s, of layers with IF neurons.
        driven: whether spikes drive the layer, so that it adds instead of multiplying; also when none came.
        uncounted: operations with multiplications that no formula counts, by their names in torch.
    """

    role: str
    macs: float = 0.0
    synops: float = 0.0
    spikes_in: float = 0.0
    spikes_out: float = 0.0
    neurons: float = 0.0
    neuron_updates: float = 0.0
    driven: bool = False
    uncounted: list[str] = field(default_factory=list)


@contextmanager
def record_cost(network: nn.Module) -> Iterator[dict[str, LayerCost]]:
    """Record the cost of a network while the block runs it.

    Linear, Conv1d, Conv2d and ConvTranspose1d, converted or not, are counted exactly, padding included. What else
    multiplies (LSTM, attention, Conv3d, `F.linear` in a forward) is counted as MACs of the innermost module that runs,
    by the formulas of torch's FlopCounterMode, which count a padded tap too. An operation that no formula counts is
    named in a warning and in `LayerCost.uncounted`. Gradients cost nothing here.

    Examples:
        >>> network = nn.Sequential(nn.Linear(3, 4))
        >>> with record_cost(network) as cost:
        ...     _ = network(torch.zeros(2, 3))
        >>> cost["0"].macs
        24.0
    """
    costs: dict[str, LayerCost] = {}
    handles, elsewhere = [], set()
    inside = {id(module.operator) for module in network.modules() if isinstance(module, ConvertibleLayer)}
    for name, module in network.named_modules():
        if isinstance(module, ConvertibleLayer):
            handles.append(module.register_forward_hook(_hook(costs, name, module.operator)))
            elsewhere.add(id(module))
        elif isinstance(module, COUNTED) and id(module) not in inside:
            handles.append(module.register_forward_hook(_hook(costs, name, module)))
            elsewhere.add(id(module))

    def report(name: str, macs: float, uncounted: str | None) -> None:
        cost = costs.setdefault(name or ITSELF, LayerCost("analog"))
        cost.macs += macs
        if uncounted and uncounted not in cost.uncounted:
            cost.uncounted.append(uncounted)
            logger.warning("%s of %r is not counted: no formula of its multiplications is known", uncounted, name)

    try:
        with counted_operations(network, elsewhere, report):
            yield costs
    finally:
        for handle in handles:
            handle.remove()


def spikes_per_neuron(costs: Iterable[LayerCost]) -> float | None:
    """Spikes in a window of N_s steps, mean over all neurons that spike; None where none does."""
    spiking = [cost for cost in costs if cost.neuron_updates]
    return sum(cost.spikes_out for cost in spiking) / sum(cost.neurons for cost in spiking) if spiking else None


def total_cost(costs: dict[str, LayerCost], amount: float) -> dict[str, Any]:
    """Costs by layer and in total, divided by `amount`: the seconds of audio or the images that were processed.

    The ANN multiplies everywhere. In the SNN, layers driven by spikes add (SynOps) and the others still multiply; their
    SynOps are set against the MACs of the same layers. The power proxy is the neuromorphic community's (Intel's N-DNS
    challenge): SynOps + 10 x neuron updates.

    Args:
        costs: of a network, sums over what it processed.
        amount: > 0.

    Returns:
        `layers` (a list), `total`, `uncounted` (layer -> operations that no formula counts), and the costs of a MAC and
        an addition in joule, with their source.
    """
    layers = []
    for name, cost in costs.items():
        spikes = cost.spikes_out / cost.neurons if cost.neurons else 0.0
        steps = cost.neuron_updates / cost.neurons if cost.neurons else 0.0
        layers.append(
            {
                "layer": name,
                "role": cost.role,
                "macs": cost.macs / amount,
                "synops": cost.synops / amount,
                "neuron_updates": cost.neuron_updates / amount,
                "spikes_per_neuron": spikes,
                "firing_rate": spikes / steps if steps else 0.0,
            }
        )
    driven = [cost for cost in costs.values() if cost.driven]
    ann_macs = sum(cost.macs for cost in costs.values()) / amount
    driven_macs = sum(cost.macs for cost in driven) / amount
    synops = sum(cost.synops for cost in driven) / amount
    updates = sum(cost.neuron_updates for cost in costs.values()) / amount
    ann_energy = ann_macs * MAC_JOULE
    snn_energy = (ann_macs - driven_macs) * MAC_JOULE + synops * AC_JOULE
    total = {
        "ann_macs": ann_macs,
        "snn_macs": ann_macs - driven_macs,
        "synops": synops,
        "driven_macs": driven_macs,
        "synops_ratio": synops / driven_macs if driven_macs else 0.0,
        "ann_energy_j": ann_energy,
        "snn_energy_j": snn_energy,
        "energy_ratio": snn_energy / ann_energy if ann_energy else 0.0,
        "neuron_updates": updates,
        "power_proxy": synops + 10 * updates,
    }
    uncounted = {name: cost.uncounted for name, cost in costs.items() if cost.uncounted}
    facts = {"layers": layers, "total": total, "uncounted": uncounted}
    return facts | {"mac_joule": MAC_JOULE, "ac_joule": AC_JOULE, "source": ENERGY_SOURCE}


def _hook(costs: dict[str, LayerCost], name: str, operator: Operator | nn.ConvTranspose1d) -> Hook:
    def hook(module: nn.Module, inputs: tuple, output: Tensor | Spikes) -> None:
        cost = costs.setdefault(name, LayerCost(getattr(module, "role", "analog")))
        x = inputs[0]
        cost.macs += dense_macs(operator, x.shape)
        neurons = output.shape.numel()
        cost.neurons += neurons
        if isinstance(x, Spikes):
            cost.driven = True
            counts = x.counts.double()
            cost.spikes_in += counts.sum().item()
            cost.synops += (counts * fan_out(operator, x.shape).to(counts.device)).sum().item()
        if isinstance(output, Spikes):
            cost.spikes_out += output.counts.sum().item()
            cost.neuron_updates += neurons * output.num_steps

    return hook


def dense_macs(operator: Operator | nn.ConvTranspose1d, in_shape: torch.Size) -> float:
    """MACs of one dense pass over an input of `in_shape`, exact at padding edges."""
    reach = fan_out(operator, in_shape)
    if not reach.dim():
        return reach.item() * in_shape.numel()
    return reach.expand(1, 1, *in_shape[2:]).sum().item() * in_shape[0] * in_shape[1]

"""Operations and energy a second of audio, of the ANN and of the SNN (sections 5.5 and 6.4)."""

from __future__ import annotations

import dataclasses
from typing import Any

from spiking_tasnet.snn.energy import AC_JOULE, ENERGY_SOURCE, MAC_JOULE, LayerCost


def cost_per_second(costs: dict[str, LayerCost], audio_seconds: float) -> dict[str, Any]:
    """Costs a second of audio, by layer and in total.

    The ANN multiplies everywhere. In the SNN, layers driven by spikes add (SynOps) and the others still multiply. The
    power proxy is Intel N-DNS's: SynOps + 10 x neuron updates, a second.

    Args:
        costs: of a spiking network, sums over `audio_seconds`.
        audio_seconds: audio that was processed, > 0.
    """
    layers = []
    for name, cost in costs.items():
        facts = dataclasses.asdict(cost)
        per_second = {f"{key}_per_s": facts[key] / audio_seconds for key in ("macs", "synops", "neuron_updates")}
        spikes = cost.spikes_out / cost.neurons if cost.neurons else 0.0
        layers.append({"layer": name, "role": cost.role, **per_second, "spikes_per_neuron": spikes})
    driven = [cost for cost in costs.values() if cost.spiking_input]
    ann_macs = sum(cost.macs for cost in costs.values()) / audio_seconds
    driven_macs = sum(cost.macs for cost in driven) / audio_seconds
    synops = sum(cost.synops for cost in driven) / audio_seconds
    updates = sum(cost.neuron_updates for cost in costs.values()) / audio_seconds
    ann_energy = ann_macs * MAC_JOULE
    snn_energy = (ann_macs - driven_macs) * MAC_JOULE + synops * AC_JOULE
    total = {
        "ann_macs_per_s": ann_macs,
        "snn_macs_per_s": ann_macs - driven_macs,
        "snn_synops_per_s": synops,
        "separator_ann_macs_per_s": driven_macs,
        "synops_ratio": synops / driven_macs if driven_macs else 0.0,
        "ann_energy_j_per_s": ann_energy,
        "snn_energy_j_per_s": snn_energy,
        "energy_ratio": snn_energy / ann_energy if ann_energy else 0.0,
        "neuron_updates_per_s": updates,
        "power_proxy_per_s": synops + 10 * updates,
    }
    return {"layers": layers, "total": total, "mac_joule": MAC_JOULE, "ac_joule": AC_JOULE, "source": ENERGY_SOURCE}

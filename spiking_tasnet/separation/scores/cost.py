"""Operations and energy a second of audio, of the ANN and of the SNN (sections 5.5 and 6.4)."""

from __future__ import annotations

from typing import Any

from spiking_tasnet.snn.energy import LayerCost, total_cost

# key of results -> key of `total_cost`
TOTALS = {
    "ann_macs_per_s": "ann_macs",
    "snn_macs_per_s": "snn_macs",
    "snn_synops_per_s": "synops",
    "separator_ann_macs_per_s": "driven_macs",
    "synops_ratio": "synops_ratio",
    "ann_energy_j_per_s": "ann_energy_j",
    "snn_energy_j_per_s": "snn_energy_j",
    "energy_ratio": "energy_ratio",
    "neuron_updates_per_s": "neuron_updates",
    "power_proxy_per_s": "power_proxy",
}
PER_SECOND = ("macs", "synops", "neuron_updates")


def cost_per_second(costs: dict[str, LayerCost], audio_seconds: float) -> dict[str, Any]:
    """Costs a second of audio, by layer and in total; see `total_cost`.

    Args:
        costs: of a spiking network, sums over `audio_seconds`.
        audio_seconds: audio that was processed, > 0.
    """
    found = total_cost(costs, audio_seconds)
    renamed = {key: f"{key}_per_s" for key in PER_SECOND}
    layers = [{renamed.get(key, key): value for key, value in layer.items()} for layer in found["layers"]]
    return found | {"layers": layers, "total": {ours: found["total"][key] for ours, key in TOTALS.items()}}

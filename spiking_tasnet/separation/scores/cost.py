"""Operations and energy per second of audio, of the ANN and of the SNN (sections 5.5 and 6.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from spiking_tasnet.snn.energy import LayerCost

T = TypeVar("T")


@dataclass(frozen=True)
class LayerRates:
    """Operations of one layer per second of audio; None is what a file of an earlier version does not hold.

    Attributes:
        layer: its name in the network.
        role: ``analog`` for what does not spike.
        macs_per_s: dense multiply-accumulates, which the ANN spends.
        synops_per_s: additions driven by incoming spikes.
        neuron_updates_per_s: IF neurons x N_s.
        spikes_per_neuron: in a window of N_s steps.
        firing_rate: spikes per neuron and step.
    """

    layer: str | None = None
    role: str | None = None
    macs_per_s: float | None = None
    synops_per_s: float | None = None
    neuron_updates_per_s: float | None = None
    spikes_per_neuron: float | None = None
    firing_rate: float | None = None


@dataclass(frozen=True)
class TotalRates:
    """Operations and energy of the whole network per second of audio; None is what a file does not hold.

    Attributes:
        ann_macs_per_s: of the ANN.
        snn_macs_per_s: of the layers of the SNN that no spikes drive.
        snn_synops_per_s: of the layers that spikes drive.
        separator_ann_macs_per_s: of the same layers in the ANN.
        synops_ratio: SynOps to these MACs.
        ann_energy_j_per_s: J.
        snn_energy_j_per_s: J.
        energy_ratio: SNN to ANN.
        neuron_updates_per_s: IF neurons x N_s.
        power_proxy_per_s: SynOps + 10 x neuron updates.
    """

    ann_macs_per_s: float | None = None
    snn_macs_per_s: float | None = None
    snn_synops_per_s: float | None = None
    separator_ann_macs_per_s: float | None = None
    synops_ratio: float | None = None
    ann_energy_j_per_s: float | None = None
    snn_energy_j_per_s: float | None = None
    energy_ratio: float | None = None
    neuron_updates_per_s: float | None = None
    power_proxy_per_s: float | None = None


@dataclass(frozen=True)
class SetCost:
    """Cost of separating a data folder, as cost.json holds it.

    Attributes:
        subset: name of the data folder.
        n_mixtures: in it.
        audio_seconds: of all mixtures.
        num_steps: N_s; 0 for the analog network.
        layers: of the network.
        total: of the network.
        mac_joule: energy assumed of a multiply-accumulate, J.
        ac_joule: energy assumed of an addition, J.
        source: of these energies.
    """

    subset: str | None = None
    n_mixtures: int | None = None
    audio_seconds: float | None = None
    num_steps: int | None = None
    layers: tuple[LayerRates, ...] = ()
    total: TotalRates = field(default_factory=TotalRates)
    mac_joule: float | None = None
    ac_joule: float | None = None
    source: str | None = None

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> SetCost:
        """Read what `asdict` gave, from JSON; keys that are unknown or absent are no error."""
        layers = tuple(_known(LayerRates, layer) for layer in data.get("layers", ()))
        return _known(cls, {**data, "layers": layers, "total": _known(TotalRates, data.get("total", {}))})

    @property
    def assumed(self) -> dict[str, Any]:
        """The assumed energies and their source, those that are known."""
        facts = {"mac_joule": self.mac_joule, "ac_joule": self.ac_joule, "source": self.source}
        return {key: value for key, value in facts.items() if value is not None}


def cost_per_second(
    costs: dict[str, LayerCost],
    audio_seconds: float,
    *,
    subset: str | None = None,
    n_mixtures: int | None = None,
    num_steps: int | None = None,
) -> SetCost:
    """Costs per second of audio, by layer and in total; see `total_cost`.

    Args:
        costs: of a network, sums over `audio_seconds`.
        audio_seconds: audio that was processed, > 0.
        subset: name of the data folder that was processed.
        n_mixtures: in it.
        num_steps: N_s.
    """
    from spiking_tasnet.snn.energy import total_cost  # here: the report reads costs and needs no torch

    found = total_cost(costs, audio_seconds)
    total = found["total"]
    return SetCost(
        subset=subset,
        n_mixtures=n_mixtures,
        audio_seconds=audio_seconds,
        num_steps=num_steps,
        layers=tuple(
            LayerRates(
                layer=layer["layer"],
                role=layer["role"],
                macs_per_s=layer["macs"],
                synops_per_s=layer["synops"],
                neuron_updates_per_s=layer["neuron_updates"],
                spikes_per_neuron=layer["spikes_per_neuron"],
                firing_rate=layer["firing_rate"],
            )
            for layer in found["layers"]
        ),
        total=TotalRates(
            ann_macs_per_s=total["ann_macs"],
            snn_macs_per_s=total["snn_macs"],
            snn_synops_per_s=total["synops"],
            separator_ann_macs_per_s=total["driven_macs"],
            synops_ratio=total["synops_ratio"],
            ann_energy_j_per_s=total["ann_energy_j"],
            snn_energy_j_per_s=total["snn_energy_j"],
            energy_ratio=total["energy_ratio"],
            neuron_updates_per_s=total["neuron_updates"],
            power_proxy_per_s=total["power_proxy"],
        ),
        mac_joule=found["mac_joule"],
        ac_joule=found["ac_joule"],
        source=found["source"],
    )


def _known(kind: type[T], data: Mapping[str, Any]) -> T:
    """An instance of a dataclass from those items of `data` that are fields of it."""
    names = {item.name for item in fields(kind)}  # pyright: ignore[reportArgumentType]
    return kind(**{name: value for name, value in data.items() if name in names})

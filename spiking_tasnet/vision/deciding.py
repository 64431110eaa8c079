"""Which settings decide the result of which method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spiking_tasnet.training.claim import outcome_settings
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.methods import METHODS, needs_ann

# Keys of section ptl that say how neurons spike; every method reads them.
SPIKING = ("num_steps", "percentile", "channel_wise", "v_init", "encoding", "firing")
HARDWARE = ("weight_bits", "per_channel", "fan_in")
RATE = ("rate_steps", "rate_percentile", "rate_images")


def deciding(method: str, config: Config) -> dict[str, Any]:
    """The settings that decide the result of a method; a change of any other setting leaves the result as it is."""
    settings = outcome_settings(config)
    ptl, baselines = settings["ptl"], settings["baselines"]
    found = {name: settings[name] for name in ("model", "data", "seed")}
    if method == "ann" or needs_ann(method, config):
        found["ann"] = settings["ann"]
    if method == "ptl":
        found |= {"snn": settings["snn"], "ptl": ptl}
    elif METHODS[method].end_to_end:
        found |= {"end_to_end": settings["end_to_end"], "ptl": _chosen(ptl, SPIKING)}
        found["baselines"] = _chosen(baselines, ("pretrained", *(("lif_decay",) if method == "lif" else ())))
    elif method == "primitive":
        found["ptl"] = _chosen(ptl, SPIKING + HARDWARE)
    elif method == "rate":
        found |= {"ptl": _chosen(ptl, ("channel_wise", "v_init")), "baselines": _chosen(baselines, RATE)}
    return found


def _chosen(settings: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: settings[name] for name in names}

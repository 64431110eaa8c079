"""Which settings decide the result of which method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spiking_tasnet.training.claim import outcome_settings
from spiking_tasnet.vision.config import Config

END_TO_END = ("tandem", "surrogate", "lif")  # all layers at once
# Of section ptl: how neurons spike, for every method.
SPIKING = ("num_steps", "percentile", "channel_wise", "v_init", "encoding")
HARDWARE = ("weight_bits", "per_channel", "fan_in")
RATE = ("rate_steps", "rate_percentile", "rate_images")


def needs_ann(method: str, config: Config) -> bool:
    """Whether a method starts from the trained ANN; the others start from scratch."""
    return method != "ann" and (method not in END_TO_END or config.rivals.pretrained)


def deciding(method: str, config: Config) -> dict[str, Any]:
    """The settings that decide the result of a method; any other may change and the run is still the same."""
    settings = outcome_settings(config)
    ptl, rivals = settings["ptl"], settings["rivals"]
    found = {name: settings[name] for name in ("model", "data", "seed")}
    if method == "ann" or needs_ann(method, config):
        found["ann"] = settings["ann"]
    if method == "ptl":
        found |= {"snn": settings["snn"], "ptl": ptl}
    elif method in END_TO_END:
        found |= {"end_to_end": settings["end_to_end"], "ptl": _chosen(ptl, SPIKING)}
        found["rivals"] = _chosen(rivals, ("pretrained", *(("lif_decay",) if method == "lif" else ())))
    elif method == "primitive":
        found["ptl"] = _chosen(ptl, SPIKING + HARDWARE)
    elif method == "rate":
        found |= {"ptl": _chosen(ptl, ("channel_wise", "v_init")), "rivals": _chosen(rivals, RATE)}
    return found


def _chosen(settings: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: settings[name] for name in names}

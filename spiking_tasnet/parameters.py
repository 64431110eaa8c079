"""What something was made with, against what is asked for now: the one comparison behind "done already?"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

# Settings that say where and how fast something is trained: a training goes on with others.
SPEED_ONLY = ("data.num_workers", "ptl.cache_mib", "train.devices", "train.num_nodes", "train.strategy")


class Difference(NamedTuple):
    """A parameter that is not as it was; what is not given is None."""

    key: str
    there: Any
    here: Any


def differing(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[Difference]:
    """The parameters that two sets do not share, those of `here` first.

    Examples:
        >>> differing({"lr": 0.1, "seed": 0}, {"lr": 0.2, "seed": 0})
        [Difference(key='lr', there=0.1, here=0.2)]
    """
    keys = dict.fromkeys([*here, *there])
    pairs = (Difference(key, there.get(key), here.get(key)) for key in keys)
    return [pair for pair in pairs if pair.there != pair.here]

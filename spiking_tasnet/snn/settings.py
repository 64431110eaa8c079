"""How a layer spikes: frozen, plain settings. This module loads no torch, so a configuration can import it quickly."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Role = Literal["analog", "encoding", "spiking", "readout", "surrogate", "rate"]
Method = Literal["tandem", "surrogate", "rate"]
Encoding = Literal["burst", "spread"]
Firing = Literal["immediate", "phased"]

ROLES: tuple[Role, ...] = get_args(Role)
METHODS: tuple[Method, ...] = get_args(Method)
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
FIRINGS: tuple[Firing, ...] = get_args(Firing)
MAX_BITS = 8
MAX_STEPS = 1_000_000  # of a simulation; the longest ones in the literature have some thousands


@dataclass(frozen=True)
class Constraints:
    """Limits of the hardware on the weights of a converted layer (section 4.3).

    Attributes:
        weight_bits: k, bits of a weight and of a bias, 2 to 8; 0 for full precision. The paper uses 4 to 8.
        per_channel: one scale per output channel instead of one per layer.
        fan_in: F, the most inputs of a neuron; 0 for all.
    """

    weight_bits: int = 0
    per_channel: bool = False
    fan_in: int = 0

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.weight_bits and not 2 <= self.weight_bits <= MAX_BITS:
            raise ValueError(f"weight_bits {self.weight_bits} found, 0 (full precision) or 2 to {MAX_BITS} expected")
        if self.fan_in < 0:
            raise ValueError(f"fan_in {self.fan_in} found, 0 (all inputs) or more expected")

    @property
    def levels(self) -> int:
        """Largest integer weight: 2^(k-1) - 1, since the grid is symmetric around zero."""
        return 2 ** (self.weight_bits - 1) - 1


@dataclass(frozen=True, kw_only=True)
class NeuronSettings:
    """Settings that a spiking layer and the conversion of a network share.

    Attributes:
        num_steps: N_s, simulation steps; for rate coding the length of a window.
        v_init: V[0] as a fraction of the threshold, 0 <= v_init < 1. 0 in the paper; 0.5 rounds instead of flooring.
        encoding: how an encoding layer fires. ``burst``, as in the paper: the whole activation enters at the first
            step. ``spread``: it enters as a constant current, so that its spikes are spread over the window.
        firing: when a spiking layer fires. ``immediate``, as in the paper: in the step in which the threshold is
            reached. ``phased``: after a window in which it only integrates, one spike per step of the next window. Its
            count is then that of the whole current, min(N_s, floor(V / theta)), whatever the order in which spikes
            come; and the layer is a window late. Phases of integration and of fire are those of Park et al. (2020).
        decay: part of the membrane potential that is kept at each step, 0 < decay <= 1; only surrogate neurons leak.
        folded: the batch norm is folded into the operator for good; False keeps it live, for training from scratch.
        constraints: on weights and biases; they bind folded weights only.
    """

    num_steps: int = 32
    v_init: float = 0.0
    encoding: Encoding = "burst"
    firing: Firing = "immediate"
    decay: float = 1.0
    folded: bool = True
    constraints: Constraints = field(default_factory=Constraints)

    def __post_init__(self) -> None:
        """Check types and ranges."""
        if not isinstance(self.v_init, float | int) or not isinstance(self.decay, float | int):
            raise ValueError(f"v_init {self.v_init!r} and decay {self.decay!r} found, numbers expected")
        if not 0 <= self.v_init < 1 or not 0 < self.decay <= 1:
            raise ValueError(
                f"v_init {self.v_init}, decay {self.decay} found; 0 <= v_init < 1 and 0 < decay <= 1 expected"
            )
        if self.encoding not in ENCODINGS:
            raise ValueError(f"encoding {self.encoding!r} found, one of {', '.join(ENCODINGS)} expected")
        if self.firing not in FIRINGS:
            raise ValueError(f"firing {self.firing!r} found, one of {', '.join(FIRINGS)} expected")
        if self.constraints != Constraints() and not self.folded:
            raise ValueError("constraints on weights whose batch norm is live found: fold it, they bind folded weights")


@dataclass(frozen=True)
class SpikingSettings(NeuronSettings):
    """Role and neurons of one layer: all that it keeps beside its tensors.

    Attributes:
        role: see `ConvertibleLayer`.
    """

    role: Role

    def __post_init__(self) -> None:
        """Check types and ranges."""
        if self.role not in ROLES:
            raise ValueError(f"role {self.role!r} found, one of {', '.join(ROLES)} expected")
        super().__post_init__()
        least = int(self.is_spiking)
        if type(self.num_steps) is not int or not least <= self.num_steps <= MAX_STEPS:
            raise ValueError(
                f"num_steps {self.num_steps!r} of a layer that is {self.role} found, {least} to {MAX_STEPS} expected"
            )
        if self.firing != "immediate" and self.role in ("surrogate", "rate"):
            raise ValueError(f"firing {self.firing!r} of a layer that is {self.role} found, 'immediate' expected")
        if self.decay < 1 and self.role not in ("surrogate", "readout"):
            raise ValueError(
                f"decay {self.decay} of a layer that is {self.role} found, 1 expected; only surrogate neurons leak"
            )

    @property
    def is_converted(self) -> bool:
        """Whether the layer is no longer the ANN's."""
        return self.role != "analog"

    @property
    def is_spiking(self) -> bool:
        """Whether the layer fires spikes."""
        return self.role not in ("analog", "readout")


ANALOG = SpikingSettings("analog", num_steps=0, folded=False)


@dataclass(frozen=True)
class ConversionSettings(NeuronSettings):
    """How the layers of a network are made to spike.

    Attributes:
        method: ``tandem`` discharges counts (the paper's encoding and IF layers), ``surrogate`` trains in time,
            ``rate`` codes firing rates in windows.
        percentile: of the activations that sets the threshold, in %; 99 or 99.9 in the paper.
        channel_wise: one threshold per channel instead of one per layer.
    """

    method: Method = "tandem"
    percentile: float = 99.9
    channel_wise: bool = False

    def __post_init__(self) -> None:
        """Check types and ranges."""
        if self.method not in METHODS:
            raise ValueError(f"method {self.method!r} found, one of {', '.join(METHODS)} expected")
        super().__post_init__()

    def of_layer(self, role: Role) -> SpikingSettings:
        """The settings of a layer that is converted to `role`."""
        shared = {setting.name: getattr(self, setting.name) for setting in dataclasses.fields(NeuronSettings)}
        return SpikingSettings(role, **shared)


def saved_settings(state: object) -> SpikingSettings:
    """Settings from what a checkpoint keeps of a layer: `dataclasses.asdict` of them.

    Version 0.1 wrote ``spread`` (a bool) instead of ``encoding``. Its first files hold only role, N_s and V[0].

    Raises:
        ValueError: a state that no conversion produces: the file was changed by hand, or a newer version wrote it.
    """
    if not isinstance(state, dict) or state.get("role") not in ROLES:
        raise ValueError(f"the state of a layer without a role found, one of {', '.join(ROLES)} expected")
    found: dict[str, Any] = {"num_steps": None, "v_init": None, "folded": state["role"] != "analog"} | state
    if "spread" in found:
        found["encoding"] = "spread" if found.pop("spread") else "burst"
    known = [setting.name for setting in dataclasses.fields(SpikingSettings)]
    unknown = [name for name in found if name not in known]
    if unknown:
        raise ValueError(f"{unknown[0]!r} found among the settings of a layer, only {', '.join(known)} expected")
    found["constraints"] = Constraints(**found.get("constraints", {}))
    return SpikingSettings(**found)

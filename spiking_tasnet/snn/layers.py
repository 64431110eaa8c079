"""`ConvertibleLayer`: linear operator, optional batch norm, ReLU - analog first, spiking once converted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from spiking_tasnet.snn.constraints import Constraints, constrained, limit_fan_in
from spiking_tasnet.snn.fixed_point import fixed_point_synapses
from spiking_tasnet.snn.fold import BATCH_NORMS, folded_weights, live_weights
from spiking_tasnet.snn.operators import check_operator, out_channels, scale_inputs
from spiking_tasnet.snn.roles import ROLES
from spiking_tasnet.snn.spikes import Spikes

MAX_STEPS = 1_000_000  # of a simulation; literature ends at some thousands


class ConvertibleLayer(nn.Module):
    """A layer that progressive tandem learning can convert; compose networks of these.

    Its `role` says what it is now:

    - ``analog``: ReLU(norm(operator(x))), the ANN's layer; `Spikes` are read as theta x count.
    - ``encoding``: the same value, discharged as spikes (section 3.4). Tensor in, `Spikes` out.
    - ``spiking``: IF neurons driven by `Spikes` (Eq. 3-6). `Spikes` in, `Spikes` out.
    - ``readout``: the free aggregate membrane potential (Eq. 9). `Spikes` in, tensor out.
    - ``surrogate``: IF or LIF neurons trained in time by surrogate gradients. Either in, `Spikes` out.
    - ``rate``: IF neurons of rate coding, in windows. Either in, `Spikes` out.

    What a converted layer trains: on conversion the batch norm is folded into the operator's own weight and bias, in
    place and for good; from then on these folded weights are the parameters, of the spiking and of the coupled analog
    branch alike, in training and in eval. The batch norm stays in the module unused, so that the names in a
    checkpoint do not depend on the stage it was taken at. Methods that train a network from scratch leave the norm
    live instead (``fold=False``): weights and norm are trained and folded at each call. In either case
    `effective_weights` is the one place that says what both branches compute with, constraints included.

    Args:
        operator: Linear, Conv1d or Conv2d with zero padding.
        norm: BatchNorm1d, BatchNorm2d or None.
        readout: the last layer, or the last before an analog head: it is converted to a readout instead of spikes.
        rectify: whether a ReLU follows; only a readout may go without.
        gate: pass no tandem gradient where the count is saturated (above a_u).

    Shape:
        As the operator's; (batch, in, ...) -> (batch, out, ...).

    Raises:
        TypeError: operator or norm of another kind.
        ValueError: an operator that spikes cannot cross (see `check_operator`), or spikes wanted without a ReLU.
    """

    def __init__(
        self,
        operator: nn.Module,
        norm: nn.Module | None = None,
        *,
        readout: bool = False,
        rectify: bool = True,
        gate: bool = False,
    ):
        """See the class."""
        super().__init__()
        check_operator(operator)
        if norm is not None and not isinstance(norm, BATCH_NORMS):
            raise TypeError(f"{type(norm).__name__} found, BatchNorm1d, BatchNorm2d or None expected")
        if not rectify and not readout:
            raise ValueError("rectify=False found in a layer that is to spike: only a readout may be negative")
        if norm is not None and operator.bias is None:  # folding will need one
            operator.bias = nn.Parameter(operator.weight.new_zeros(out_channels(operator)))
        self.operator, self.norm, self.readout, self.rectify, self.gate = operator, norm, readout, rectify, gate
        self.register_buffer("threshold", operator.weight.new_zeros(out_channels(operator)))
        self.constraints = Constraints()
        self.role, self.num_steps, self.v_init, self.decay = "analog", 0, 0.0, 1.0
        self.spread, self.folded = False, False
        self._layer_wise = True
        self.around: Callable[[ConvertibleLayer, Tensor | Spikes], Tensor | Spikes] | None = None  # may pass it by
        self.reset()

    def convert(
        self,
        role: str,
        act_max: Tensor | None = None,
        num_steps: int = 32,
        v_init: float = 0.0,
        *,
        decay: float = 1.0,
        spread: bool = False,
        fold: bool = True,
        constraints: Constraints | None = None,
    ) -> None:
        """Turn the analog layer into `role`.

        Args:
            role: any but ``analog``.
            act_max: a_u > 0 of the layer (1,) or of each channel (out,). theta = a_u / N_s, or a_u itself for
                ``rate``. None for a readout.
            num_steps: N_s, at least 1; for ``rate`` the length of a window.
            v_init: V[0] as a fraction of the threshold, 0 <= v_init < 1.
            decay: membrane potential kept a step, 0 < decay <= 1; only ``surrogate`` neurons may leak.
            spread: an ``encoding`` layer takes its activation as a constant current over the window, so that its spikes
                are spread over it; else, as in the paper, all at the first step.
            fold: fold the batch norm for good; False keeps it live, for training from scratch.
            constraints: on weights and biases; the fan-in is cut here.

        Raises:
            ValueError: already converted, or an argument out of range.
        """
        if self.role != "analog":
            raise ValueError(f"a layer that is {self.role} already was given to convert: convert analog layers only")
        if role not in ROLES or role == "analog":
            raise ValueError(f"role {role!r} found, one of {', '.join(ROLES)} expected")
        if num_steps < 1 or not 0 <= v_init < 1:
            raise ValueError(f"num_steps {num_steps}, v_init {v_init} found; num_steps >= 1, 0 <= v_init < 1 expected")
        if not 0 < decay <= 1 or (decay < 1 and role not in ("surrogate", "readout")):
            raise ValueError(f"decay {decay} of a layer that is {role} found, 1 expected; only surrogate neurons leak")
        constraints = constraints or Constraints()
        if constraints != Constraints() and not fold:
            raise ValueError("constraints on weights whose batch norm is live found: fold it, they bind folded weights")
        if role != "readout":
            if act_max is None or not bool((act_max > 0).all()):
                raise ValueError("a dead layer: its activation percentile is zero; raise the percentile or retrain")
            self.threshold.copy_((act_max / (1 if role == "rate" else num_steps)).expand_as(self.threshold))
        if self.norm is not None and fold:
            weight, bias = folded_weights(self.operator, self.norm)
            self.operator.weight.data.copy_(weight)
            self.operator.bias.data.copy_(bias)
        if constraints.fan_in:
            self.operator.weight.data.copy_(limit_fan_in(self.operator.weight.data, constraints.fan_in))
        self.set_extra_state(
            {
                "role": role,
                "num_steps": int(num_steps),
                "v_init": float(v_init),
                "decay": float(decay),
                "spread": bool(spread),
                "folded": fold,
                "constraints": dataclasses.asdict(constraints),
            }
        )

    def effective_weights(self, x: Tensor | Spikes | None = None) -> tuple[Tensor, Tensor | None]:
        """The weight and bias that the layer computes with, now, in both its branches.

        Args:
            x: what the layer is given; its statistics count where a batch norm is live and in training.
        """
        weight, bias = self.operator.weight, self.operator.bias
        if self.norm is not None and not self.folded:
            return live_weights(self.operator, self.norm, x.value if isinstance(x, Spikes) else x)
        return (weight, bias) if self.constraints == Constraints() else constrained(weight, bias, self.constraints)

    def synapses(self, input_worth: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """What `kernels.simulate` takes: theta_{l-1} W, b / N_s and theta_l; integers where the weights have few bits.

        Args:
            input_worth: theta_{l-1}, (1,) or (in,).
            weight: effective, (out, in / groups, *kernel).
            bias: effective, (out,).
        """
        if self.constraints.weight_bits and input_worth.numel() == 1:
            return fixed_point_synapses(
                self.operator.weight, bias, self.constraints, input_worth, self.threshold, self.num_steps
            )
        current = torch.zeros_like(self.threshold) if bias is None else bias / self.num_steps
        return scale_inputs(self.operator, weight, input_worth), current, self.threshold

    @property
    def spike_worth(self) -> Tensor:
        """Theta as `Spikes` carry it: (1,) if all channels share it, else (out,)."""
        return self.threshold[:1] if self._layer_wise else self.threshold

    def forward(self, x: Tensor | Spikes) -> Tensor | Spikes:
        """Compute the layer in its present role.

        Raises:
            TypeError: a spiking layer was given a tensor, so something below it turned spikes into values.
        """
        return self.compute(x) if self.around is None else self.around(self, x)

    def compute(self, x: Tensor | Spikes) -> Tensor | Spikes:
        """Compute the layer, whoever stands around it."""
        return ROLES[self.role](self, x)

    def reset(self) -> None:
        """Forget what the windows of rate coding left behind."""
        self.membrane, self.fired, self.elapsed = None, None, 0

    def get_extra_state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the tensors."""
        names = ("role", "num_steps", "v_init", "decay", "spread", "folded")
        return {name: getattr(self, name) for name in names} | {"constraints": dataclasses.asdict(self.constraints)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take up the role of a checkpoint; a folded batch norm stops training.

        Raises:
            ValueError: what no conversion leaves: the checkpoint was changed by hand.
        """
        _check_state(state, self.threshold)
        self.role, self.num_steps, self.v_init = state["role"], state["num_steps"], state["v_init"]
        self.decay, self.spread = state.get("decay", 1.0), state.get("spread", False)
        self.folded = state.get("folded", self.role != "analog")
        self.constraints = Constraints(**state.get("constraints", {}))
        self._layer_wise = bool((self.threshold == self.threshold[0]).all())
        if self.norm is not None:
            self.norm.requires_grad_(not self.folded)

    def extra_repr(self) -> str:
        """Role, steps and threshold."""
        if self.role in ("analog", "readout"):
            return self.role
        return f"{self.role}, num_steps={self.num_steps}, threshold={self.threshold.mean():.4g}"


def _check_state(state: Any, threshold: Tensor) -> None:
    """Refuse an extra state that `get_extra_state` never gives."""
    if not isinstance(state, dict) or state.get("role") not in ROLES:
        raise ValueError(f"the state of a layer without a role found, one of {', '.join(ROLES)} expected")
    role, steps, v_init, decay = state["role"], state.get("num_steps"), state.get("v_init"), state.get("decay", 1.0)
    spikes = role not in ("analog", "readout")
    if type(steps) is not int or not (1 if spikes else 0) <= steps <= MAX_STEPS:
        raise ValueError(f"num_steps {steps!r} of a layer that is {role} found, 1 to {MAX_STEPS} expected")
    if not isinstance(v_init, float | int) or not isinstance(decay, float | int):
        raise ValueError(f"v_init {v_init!r} and decay {decay!r} of a layer that is {role} found, numbers expected")
    if not 0 <= v_init < 1 or not 0 < decay <= 1:
        raise ValueError(f"v_init {v_init}, decay {decay} found; 0 <= v_init < 1 and 0 < decay <= 1 expected")
    if spikes and not bool((threshold > 0).all()):
        raise ValueError(f"a threshold of zero or less of a layer that is {role} found, more than zero expected")

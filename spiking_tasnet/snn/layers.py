"""`ConvertibleLayer`: linear operator, optional batch norm, ReLU - analog first, spiking once converted."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from spiking_tasnet.snn import kernels
from spiking_tasnet.snn.fold import BATCH_NORMS, folded_weights
from spiking_tasnet.snn.neuron import burst, encode_counts
from spiking_tasnet.snn.operators import apply_operator, check_operator, out_channels, per_channel, scale_inputs
from spiking_tasnet.snn.spikes import Spikes, spike_counts
from spiking_tasnet.snn.tandem import tandem

ROLES = ("analog", "encoding", "spiking", "readout")


class ConvertibleLayer(nn.Module):
    """A layer that progressive tandem learning can convert; compose networks of these.

    Its `role` says what it is now:

    - ``analog``: ReLU(norm(operator(x))), the ANN's layer; `Spikes` are read as theta x count.
    - ``encoding``: the same value, discharged as spikes (section 3.4). Tensor in, `Spikes` out.
    - ``spiking``: IF neurons driven by `Spikes` (Eq. 3-6). `Spikes` in, `Spikes` out.
    - ``readout``: the free aggregate membrane potential (Eq. 9), rectified. `Spikes` in, tensor out.

    What a converted layer trains: on conversion the batch norm is folded into the operator's own weight and bias, in
    place and for good; from then on these folded weights are the parameters, of the spiking and of the coupled analog
    branch alike, in training and in eval. The batch norm stays in the module unused, so that the names in a
    checkpoint do not depend on the stage it was taken at.

    Args:
        operator: Linear, Conv1d or Conv2d with zero padding.
        norm: BatchNorm1d, BatchNorm2d or None.
        readout: the last layer before an analog head: it is converted to a readout instead of spikes.
        gate: pass no tandem gradient where the count is saturated (above a_u).

    Shape:
        As the operator's; (batch, in, ...) -> (batch, out, ...).

    Raises:
        TypeError: operator or norm of another kind.
        ValueError: an operator that spikes cannot cross (see `check_operator`).
    """

    def __init__(
        self, operator: nn.Module, norm: nn.Module | None = None, *, readout: bool = False, gate: bool = False
    ):
        """See the class."""
        super().__init__()
        check_operator(operator)
        if norm is not None and not isinstance(norm, BATCH_NORMS):
            raise TypeError(f"{type(norm).__name__} found, BatchNorm1d, BatchNorm2d or None expected")
        if norm is not None and operator.bias is None:  # folding will need one
            operator.bias = nn.Parameter(operator.weight.new_zeros(out_channels(operator)))
        self.operator, self.norm, self.readout, self.gate = operator, norm, readout, gate
        self.register_buffer("threshold", operator.weight.new_zeros(out_channels(operator)))
        self.role, self.num_steps, self.v_init = "analog", 0, 0.0
        self._layer_wise = True

    def convert(self, role: str, act_max: Tensor | None = None, num_steps: int = 32, v_init: float = 0.0) -> None:
        """Turn the analog layer into `role`, folding its batch norm.

        Args:
            role: ``encoding``, ``spiking`` or ``readout``.
            act_max: a_u > 0 of the layer (1,) or of each channel (out,); theta = a_u / N_s. None for a readout.
            num_steps: N_s, at least 1.
            v_init: V[0] as a fraction of the threshold, 0 <= v_init < 1.

        Raises:
            ValueError: already converted, or an argument out of range.
        """
        if self.role != "analog":
            raise ValueError(f"a layer that is {self.role} already was given to convert: convert analog layers only")
        if role not in ROLES[1:]:
            raise ValueError(f"role {role!r} found, one of {', '.join(ROLES[1:])} expected")
        if num_steps < 1 or not 0 <= v_init < 1:
            raise ValueError(f"num_steps {num_steps}, v_init {v_init} found; num_steps >= 1, 0 <= v_init < 1 expected")
        if role != "readout":
            if act_max is None or not bool((act_max > 0).all()):
                raise ValueError("a dead layer: its activation percentile is zero; raise the percentile or retrain")
            self.threshold.copy_((act_max / num_steps).expand_as(self.threshold))
        if self.norm is not None:
            weight, bias = folded_weights(self.operator, self.norm)
            self.operator.weight.data.copy_(weight)
            self.operator.bias.data.copy_(bias)
        self.set_extra_state({"role": role, "num_steps": int(num_steps), "v_init": float(v_init)})

    def effective_weights(self) -> tuple[Tensor, Tensor | None]:
        """The weight and bias that the layer computes with, now: folded if converted, else the operator's own."""
        return self.operator.weight, self.operator.bias

    def forward(self, x: Tensor | Spikes) -> Tensor | Spikes:
        """Compute the layer in its present role.

        Raises:
            TypeError: a spiking layer was given a tensor, so something below it turned spikes into values.
        """
        if self.role == "analog":
            x = self.operator(x)
            return torch.relu(x if self.norm is None else self.norm(x))
        if self.role == "spiking":
            if not isinstance(x, Spikes):
                raise TypeError("a spiking layer was given a tensor, Spikes expected: a layer below it reads counts")
            return self._fire(x)
        with torch.autocast(self.threshold.device.type, enabled=False):  # counts must not depend on the precision
            activation = self._activation(x.to(self.threshold.dtype) if isinstance(x, Tensor) else x)
        if self.role == "readout":
            return activation
        with torch.no_grad():
            scale = per_channel(self.operator, self.threshold)
            code = burst(encode_counts(activation, scale, self.num_steps, self.v_init), self.num_steps)
        return self._spikes(code, activation)

    def _activation(self, x: Tensor | Spikes) -> Tensor:
        x = x.value if isinstance(x, Spikes) else x
        return torch.relu(apply_operator(self.operator, x, *self.effective_weights()))

    def _fire(self, spikes: Spikes) -> Spikes:
        weight, bias = self.effective_weights()
        with torch.no_grad(), torch.autocast(self.threshold.device.type, enabled=False):
            current = torch.zeros_like(self.threshold) if bias is None else bias / self.num_steps
            code = kernels.simulate(
                self.operator,
                spikes,
                scale_inputs(self.operator, weight, spikes.threshold),
                current,
                self.threshold,
                self.v_init,
            )
        trained = torch.is_grad_enabled() and (weight.requires_grad or spikes.value.requires_grad)
        return self._spikes(code, self._activation(spikes) if trained else None)

    def _spikes(self, code: Tensor, activation: Tensor | None) -> Spikes:
        """Give the fired code its value in activation units, with the tandem gradient where there is one."""
        scale = per_channel(self.operator, self.threshold)
        value = spike_counts(code, self.num_steps) * scale
        if activation is not None and activation.requires_grad:
            value = tandem(activation, value, scale * self.num_steps if self.gate else None)
        threshold = self.threshold[:1] if self._layer_wise else self.threshold
        return Spikes(value, code, threshold, self.num_steps)

    def get_extra_state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the tensors."""
        return {"role": self.role, "num_steps": self.num_steps, "v_init": self.v_init}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take up the role of a checkpoint; the batch norm of a converted layer stops training."""
        self.role, self.num_steps, self.v_init = state["role"], state["num_steps"], state["v_init"]
        self._layer_wise = bool((self.threshold == self.threshold[0]).all())
        if self.norm is not None:
            self.norm.requires_grad_(self.role == "analog")

    def extra_repr(self) -> str:
        """Role, steps and threshold."""
        if self.role in ("encoding", "spiking"):
            return f"{self.role}, num_steps={self.num_steps}, threshold={self.threshold.mean():.4g}"
        return self.role

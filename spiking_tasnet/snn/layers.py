"""`ConvertibleLayer`: linear operator, optional batch norm, ReLU - analog first, spiking once converted."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from spiking_tasnet.snn import kernels, roles
from spiking_tasnet.snn.branch import Branch, constrained_weights, integer_unit, integer_weight, neurons_behind
from spiking_tasnet.snn.computed import PRUNED, check_computed, computed_tensors, make_plain
from spiking_tasnet.snn.constraints import limit_fan_in, most_inputs
from spiking_tasnet.snn.fold import BATCH_NORMS, BatchNorm, fold_shortcut, folded_weights, live_weights
from spiking_tasnet.snn.free_potential import FreeNeurons, free_neurons
from spiking_tasnet.snn.kept import Kept
from spiking_tasnet.snn.kernels import Neurons, PackedWeights
from spiking_tasnet.snn.numbers import NumberError, check_finite
from spiking_tasnet.snn.operators import Operator, channel_axis, check_batched, check_operator, out_channels
from spiking_tasnet.snn.settings import ANALOG, Constraints, Role, SpikingSettings, saved_settings
from spiking_tasnet.snn.spikes import Spikes

T = TypeVar("T")


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
    live instead (``folded=False``): weights and norm are trained and folded at each call. In either case
    `effective_weights` is the one place that says what both branches compute with, constraints included.

    Args:
        operator: Linear, Conv1d or Conv2d with zero padding.
        norm: BatchNorm1d, BatchNorm2d or None.
        readout: the last layer, or the last before an analog head: it is converted to a readout instead of spikes.
        rectify: whether a ReLU follows; only a readout may go without.
        clip_saturated_gradient: pass no tandem gradient where the count is saturated (above a_u).

    Attributes:
        settings: what the layer is now and how its neurons behave; all that it keeps beside its tensors.
        threshold: theta of each channel, (out,), in activation units; a buffer, or a parameter while it is trained
            (`train_threshold`).
        shortcut: while it is analog, add the input to what is rectified: ReLU(norm(operator(x)) + x). `fold_shortcut`
            makes the addition part of the operator, and must come before a conversion.
        continues: whether a call of rate coding goes on where the last one left the membranes (`simulate_rate`).
        window: what rate coding goes on from; None before the first window.
        label: the layer's name in its network, for messages; empty before a conversion or a loaded state.
        kept: what the layer has computed from its weights since `keep_synapses`; None where nothing is kept.
        bypass: if set, `forward` calls it with the layer and its input instead of `run_role`.

    Shape:
        As the operator's; (batch, in, ...) -> (batch, out, ...).

    Raises:
        TypeError: operator or norm of another kind.
        ValueError: an operator that spikes cannot cross (see `check_operator`), or no ReLU in a layer that is to spike.
    """

    operator: Operator
    norm: BatchNorm | None
    threshold: Tensor

    def __init__(
        self,
        operator: nn.Module,
        norm: nn.Module | None = None,
        *,
        readout: bool = False,
        rectify: bool = True,
        clip_saturated_gradient: bool = False,
    ):
        super().__init__()
        linear = check_operator(operator)
        if norm is not None and not isinstance(norm, BATCH_NORMS):
            raise TypeError(f"{type(norm).__name__} found, BatchNorm1d, BatchNorm2d or None expected")
        if not rectify and not readout:
            raise ValueError("rectify=False found in a layer that is to spike: only a readout may be negative")
        zeros = linear.weight.detach().new_zeros(out_channels(linear))
        if norm is not None and linear.bias is None:  # folding will need one
            linear.bias = nn.Parameter(zeros.clone())
        self.operator, self.norm, self.readout, self.rectify = linear, norm, readout, rectify
        self.clip_saturated_gradient = clip_saturated_gradient
        self.register_buffer("threshold", zeros)
        self.settings, self._layer_wise, self.shortcut = ANALOG, True, False
        self.continues, self.label = False, ""
        self.window: roles.Window | None = None
        self.kept: Kept | None = None
        self.bypass: Callable[[ConvertibleLayer, Tensor | Spikes], Tensor | Spikes] | None = None

    @property
    def role(self) -> Role:
        """What the layer is now."""
        return self.settings.role

    @property
    def num_steps(self) -> int:
        """N_s; 0 while it is analog."""
        return self.settings.num_steps

    @property
    def is_converted(self) -> bool:
        """Whether it is no longer the ANN's layer."""
        return self.settings.is_converted

    @property
    def is_spiking(self) -> bool:
        """Whether it fires spikes; a readout does not."""
        return self.settings.is_spiking

    @property
    def spike_amplitude(self) -> Tensor:
        """Theta as `Spikes` carry it: (1,) if all channels share it, else (out,)."""
        return self.threshold[:1] if self._layer_wise else self.threshold

    def convert(self, settings: SpikingSettings, act_max: Tensor | None = None) -> dict[str, str]:
        """Give the analog layer the role and the neurons of `settings`.

        If `settings.folded`, this folds the batch norm and makes computed weights parameters. It cuts the fan-in.

        Args:
            settings: any role but ``analog``.
            act_max: a_u > 0 of the layer (1,) or of each channel (out,). theta = a_u / N_s, or a_u itself for
                ``rate``. None for a readout.

        Returns:
            What computed the weight or bias until now and does no longer, by the name of the tensor (`make_plain`).

        Raises:
            ValueError: already converted, a shortcut, no activation range, or weights that cannot be written to;
                nothing has been changed then.
        """
        if self.is_converted:
            raise ValueError(f"a layer that is {self.role} already was given to convert: convert analog layers only")
        if self.shortcut:
            raise ValueError("a layer with a shortcut was given to convert: call fold_shortcut first")
        if not settings.is_converted:
            raise ValueError("role 'analog' found, another one expected: a layer is analog before its conversion")
        if settings.is_spiking and (act_max is None or not bool((act_max > 0).all())):
            raise ValueError("a dead layer: its activation percentile is zero; raise the percentile or retrain")
        operator, folds = self.operator, self.norm is not None and settings.folded
        check_computed(operator, settings.folded)
        if self.norm is not None and folds:
            folded_weights(operator, self.norm)  # refuses a norm that has nothing fixed to fold
        # Everything is checked: from here on the layer is written to.
        if act_max is not None and settings.is_spiking:
            steps = 1 if settings.role == "rate" else settings.num_steps
            self.threshold.copy_((act_max / steps).expand_as(self.threshold))
        computed = make_plain(operator) if settings.folded else {}
        if self.norm is not None and folds:
            weight, bias = folded_weights(operator, self.norm)
            assert operator.bias is not None  # the constructor gave it one
            operator.weight.data.copy_(weight)
            operator.bias.data.copy_(bias)
        if computed.get("weight") == PRUNED and not settings.constraints.fan_in:
            # A synapse that was cut stays cut, also in later training: that is what a limit of the fan-in does.
            settings = _with_fan_in(settings, most_inputs(operator.weight))
        if settings.constraints.fan_in:
            operator.weight.data.copy_(limit_fan_in(operator.weight.data, settings.constraints.fan_in))
        self._take_up(settings)
        return computed

    def train_threshold(self, trained: bool = True) -> None:
        """Make the thresholds, one per channel, a parameter; or a buffer again.

        Their gradient is that of a learned step size, see `tandem`. The names in a checkpoint stay the same.

        Raises:
            ValueError: a layer that fires no tandem spikes, or with one threshold for all channels.
        """
        if trained and self.role not in ("encoding", "spiking"):
            raise ValueError(f"the threshold of a layer that is {self.role} found, encoding or spiking expected")
        if trained and self._layer_wise and len(self.threshold) > 1:
            raise ValueError(
                "one threshold of all channels found, one of each expected: convert the layer with channel_wise=True"
            )
        value = self.threshold.detach()
        if trained:
            self._buffers.pop("threshold", None)
            self.threshold = nn.Parameter(value)
        else:
            self._parameters.pop("threshold", None)
            self.register_buffer("threshold", value)
            self._take_up(self.settings)

    def fold_shortcut(self) -> None:
        """Make ReLU(norm(operator(x)) + x) one operator, in place, the norm included; see `fold.fold_shortcut`."""
        make_plain(self.operator)
        fold_shortcut(self.operator, self.norm)
        self.shortcut = False
        if self.norm is not None:
            self.set_folded()

    def set_folded(self, folded: bool = True) -> None:
        """Say whether the batch norm is part of the operator: if so, it is neither applied nor trained."""
        self._take_up(dataclasses.replace(self.settings, folded=folded))

    def effective_weights(
        self, x: Tensor | Spikes | None = None, input_amplitude: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The weight and bias that the layer computes with, now, in both its branches.

        Args:
            x: what the layer is given; its statistics count where a batch norm is live and in training, and the
                thresholds of its spikes where weights have few bits.
            input_amplitude: these thresholds, (1,) or (in,), where `x` is not at hand.
        """
        operator, constraints = self.operator, self.settings.constraints
        if self.norm is not None and not self.settings.folded:
            return live_weights(operator, self.norm, x.value if isinstance(x, Spikes) else x)
        if constraints == Constraints():
            return operator.weight, operator.bias
        amplitude = None
        if constraints.weight_bits:
            amplitude = x.threshold if isinstance(x, Spikes) else input_amplitude
        return self._once("weights", amplitude, lambda: constrained_weights(operator, constraints, amplitude))

    def integer_weight(self, input_amplitude: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The integers that a layer of few bits holds, and their scale; see `branch.integer_weight`."""
        return integer_weight(self.operator, self.settings.constraints, input_amplitude)

    def branch(self, x: Tensor | Spikes | None = None, input_amplitude: Tensor | None = None) -> Branch:
        """The analog branch with the weights that are effective now; arguments as `effective_weights`."""
        weight, bias = self.effective_weights(x, input_amplitude)
        flags = self.rectify, self.clip_saturated_gradient
        return Branch(self.operator, weight, bias, self.threshold, self.spike_amplitude, *flags)

    def neurons(self, branch: Branch, input_amplitude: Tensor) -> Neurons:
        """What `kernels.simulate` takes; see `branch.neurons_behind`."""
        return self._once("neurons", input_amplitude, lambda: self._checked_neurons(branch, input_amplitude))

    def _checked_neurons(self, branch: Branch, input_amplitude: Tensor) -> Neurons:
        neurons = neurons_behind(branch, self.settings, input_amplitude)
        # A GPU would have to be waited for at every layer, so there a look is taken only where the result is kept.
        if neurons.weight.is_floating_point() and (neurons.weight.device.type == "cpu" or self.kept is not None):
            _check_numbers(neurons.weight, neurons.current, neurons.threshold)
        return neurons

    def packed_weights(self, input_amplitude: Tensor) -> dict[int, PackedWeights] | None:
        """Where a kernel may keep what it made of `neurons`; None for nowhere."""
        if self.kept is None:
            return None
        return self._once("packed", input_amplitude, lambda: dict[int, PackedWeights]())

    def _free_neurons(self, x: Spikes) -> FreeNeurons | None:
        """What a readout of few bits adds up as integers, where no gradient is wanted and the event kernel can."""
        few_bits = self.settings.constraints.weight_bits
        if not few_bits or torch.is_grad_enabled() or not x.packed:
            return None
        amplitude, steps = x.threshold, x.num_steps
        free = self._once("free", amplitude, lambda: free_neurons(*self._integers(amplitude), steps))
        if free is None or kernels.choose(self.operator, x.code, steps, free.neurons.weight) != "event":
            return None
        return free

    def _integers(self, input_amplitude: Tensor) -> tuple[Tensor, Tensor]:
        """Int8 weight, and the activation units of an incoming spike at an integer weight of 1, (1,) or (out,)."""
        integers, scale = self.integer_weight(input_amplitude)
        return integers, integer_unit(scale, input_amplitude)

    def _once(self, name: str, amplitude: Tensor | None, make: Callable[[], T]) -> T:
        """What `make` returns. It is kept for the next call after `keep_synapses`, unless a gradient is recorded."""
        if self.kept is None or torch.is_grad_enabled():
            return make()
        return self.kept.get(name, amplitude, make)

    def forward(self, x: Tensor | Spikes) -> Tensor | Spikes:
        """Compute the layer in its present role.

        Raises:
            TypeError: a spiking layer was given a tensor, so something below it turned spikes into values; an encoding
                one spikes.
            ValueError: an input without a batch axis, or spikes of another number of steps.
            RuntimeError: a converted layer is traced or compiled.
        """
        if self.is_converted:
            self._check_input(x)
        return self.run_role(x) if self.bypass is None else self.bypass(self, x)

    def run_role(self, x: Tensor | Spikes) -> Tensor | Spikes:
        """Compute the layer, also where a `bypass` is set.

        Raises:
            ValueError: NaN or infinite values, or integers beyond 32 bits, with the layer's name.
        """
        try:
            return self._compute(x)
        except NumberError as error:
            raise ValueError(f"layer {self.label!r}: {error}" if self.label else f"{self.operator}: {error}") from None

    def _compute(self, x: Tensor | Spikes) -> Tensor | Spikes:
        settings = self.settings
        if settings.role == "analog":
            norm = None if settings.folded else self.norm
            return roles.analog(self.operator, norm, x, rectify=self.rectify, shortcut=self.shortcut)
        if settings.role == "spiking":
            return self._run_spiking(x)
        if settings.role == "surrogate":
            return roles.surrogate(self._checked(self.branch(x)), settings, x)
        with roles.full_precision(self.threshold.device):
            branch = self.branch(x)
        if settings.role == "encoding":
            return roles.encoding(branch, settings, x)
        if settings.role == "readout":
            if isinstance(x, Spikes) and (free := self._free_neurons(x)) is not None:
                return roles.free_readout(branch, x, free)
            return roles.readout(branch, x)
        spikes, window = roles.rate(self._checked(branch), settings, x, self.window if self.continues else None)
        self.window = window if self.continues else None
        return spikes

    def _checked(self, branch: Branch) -> Branch:
        """The branch itself, its numbers looked at where nobody waits for it."""
        if branch.weight.device.type == "cpu":
            _check_numbers(branch.weight, branch.bias, branch.threshold)
        return branch

    def _check_input(self, x: Tensor | Spikes) -> None:
        """Refuse an input that would silently change the result."""
        if torch.jit.is_tracing() or torch.compiler.is_compiling():  # pyright: ignore[reportPrivateImportUsage]
            # A trace takes spikes for constants. torch.compile runs the layer as it is when it meets this error.
            raise RuntimeError(
                "a converted layer is being traced, which its kernels do not support; call the network itself, or "
                "write it by spiking_tasnet.snn.export_network"
            )
        check_batched(self.operator, x.shape)
        if not isinstance(x, Spikes):
            return
        if self.role == "encoding":
            raise TypeError(
                "an encoding layer was given Spikes, a tensor expected: it is called again above itself, or another "
                "encoding layer lies below it; give each call a layer of its own"
            )
        axis = channel_axis(self.operator) % x.dim()
        if x.threshold.numel() > 1 and x.axis != axis and (self.is_spiking or self.settings.constraints.weight_bits):
            raise ValueError(
                f"spikes whose channels, each with its threshold, lie along axis {x.axis} found, axis {axis} expected: "
                "the operator would read thresholds of other neurons; use layer-wise thresholds"
            )
        if self.is_spiking and x.num_steps != self.num_steps:
            raise ValueError(
                f"spikes of {x.num_steps} steps found, {self.num_steps} expected by a layer that is {self.role}: "
                "convert all layers with the same num_steps"
            )

    def _run_spiking(self, x: Tensor | Spikes) -> Spikes:
        if not isinstance(x, Spikes):
            raise TypeError("a spiking layer was given a tensor, Spikes expected: a layer below it reads counts")
        branch = self.branch(x)
        with torch.no_grad(), roles.full_precision(self.threshold.device):
            neurons, packed = self.neurons(branch, x.threshold), self.packed_weights(x.threshold)
        return roles.spiking(branch, self.settings, x, neurons, packed)

    def reset(self) -> None:
        """Forget what the windows of rate coding left behind."""
        self.window = None

    def get_extra_state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the tensors."""
        return dataclasses.asdict(self.settings)

    def set_extra_state(self, state: Any) -> None:
        """Restore the settings of a checkpoint. A folded batch norm stops training.

        Raises:
            ValueError: settings that no conversion produces: the checkpoint was changed by hand.
        """
        settings = saved_settings(state)
        if settings.is_spiking and not bool((self.threshold > 0).all()):
            raise ValueError(
                f"a threshold of zero or less of a layer that is {settings.role} found, more than zero expected"
            )
        self._take_up(settings)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """As torch; tensors of a converted layer without its settings are an error also where `strict` is False."""
        self.label = prefix[:-1]
        threshold, settings = state_dict.get(f"{prefix}threshold"), f"{prefix}_extra_state"
        if f"{prefix}operator.weight" in state_dict:  # of a converted layer, whose computed weight is a parameter
            make_plain(self.operator)
        if settings not in state_dict and isinstance(threshold, Tensor) and bool((threshold > 0).any()):
            error_msgs.append(
                f"the tensors of a converted layer found without {settings!r}, which says how it spikes: save and load "
                "the whole state_dict()"
            )
        arguments = local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def __deepcopy__(self, memo: dict[int, Any]) -> ConvertibleLayer:
        """As of any module, also where a weight is computed from others, which torch's tensors refuse after a use.

        The next call computes it anew, so nothing is lost with its gradient.
        """
        for name in computed_tensors(self.operator):
            if isinstance(vars(self.operator).get(name), Tensor):
                setattr(self.operator, name, getattr(self.operator, name).detach())
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied

    def _take_up(self, settings: SpikingSettings) -> None:
        self.settings, self.kept, self.window = settings, None, None
        self._layer_wise = bool((self.threshold == self.threshold[0]).all())
        if self.norm is not None:
            self.norm.requires_grad_(not settings.folded)

    def train(self, mode: bool = True) -> ConvertibleLayer:
        """As `nn.Module.train`; a layer in training keeps nothing that it computed from its weights."""
        self.kept = None if mode else self.kept
        return super().train(mode)

    def extra_repr(self) -> str:
        """Role, steps and threshold."""
        if not self.is_spiking:
            return self.role
        return f"{self.role}, num_steps={self.num_steps}, threshold={self.threshold.mean():.4g}"


def _check_numbers(weight: Tensor, bias: Tensor | None, threshold: Tensor) -> None:
    for values, what in ((weight, "the weights"), (bias, "the biases"), (threshold, "the thresholds")):
        if values is not None:
            check_finite(values, what)


def _with_fan_in(settings: SpikingSettings, fan_in: int) -> SpikingSettings:
    return dataclasses.replace(settings, constraints=dataclasses.replace(settings.constraints, fan_in=fan_in))

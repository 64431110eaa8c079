"""The linear operators that spikes can drive: fully connected and convolutional, called with given weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Operator = nn.Linear | nn.Conv1d | nn.Conv2d
OPERATORS = (nn.Linear, nn.Conv1d, nn.Conv2d)


class CausalConv1d(nn.Conv1d):
    """Conv1d of unchanged length whose zeros all lie before the first frame, so that no frame reads a later one.

    Args:
        in_channels, out_channels, kernel_size, dilation, groups, bias: as `nn.Conv1d`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ):
        super().__init__(in_channels, out_channels, kernel_size, dilation=dilation, groups=groups, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Pad, then convolve; (batch, in, n_frames) -> (batch, out, n_frames)."""
        padded = F.pad(input, paddings(self)[0])
        return F.conv1d(padded, self.weight, self.bias, 1, 0, self.dilation, self.groups)


def paddings(operator: nn.Conv1d | nn.Conv2d) -> list[tuple[int, int]]:
    """Zeros before and behind each axis."""
    spans = [reach * (taps - 1) for reach, taps in zip(operator.dilation, operator.kernel_size, strict=True)]
    if isinstance(operator, CausalConv1d):
        return [(span, 0) for span in spans]
    if operator.padding == "same":  # as torch: the odd zero goes behind
        return [(span // 2, span - span // 2) for span in spans]
    if isinstance(operator.padding, str):
        return [(0, 0) for _ in spans]
    return [(zeros, zeros) for zeros in operator.padding]


def check_operator(operator: nn.Module) -> Operator:
    """The operator itself, if a spiking layer can carry it.

    Raises:
        TypeError: not a Linear, Conv1d or Conv2d.
        ValueError: a padding mode other than zeros (silence is the only padding that spikes have); a lazy operator
            that has no weights yet; a subclass that computes in its own way, which the neurons would not do.
    """
    if not isinstance(operator, OPERATORS):
        names = ", ".join(kind.__name__ for kind in OPERATORS)
        raise TypeError(f"{type(operator).__name__} found, one of {names} expected: spikes cross linear operators only")
    kind = type(operator).__name__
    if any(isinstance(parameter, nn.UninitializedParameter) for parameter in operator.parameters()):
        raise ValueError(f"{kind} without weights found: run the network once on a batch before it is made convertible")
    if _computes_otherwise(operator):
        raise ValueError(
            f"{kind} found, a {base_of(operator).__name__} with a forward of its own: spiking neurons use its weights "
            "and not that forward; merge padding, masks or adapters into a plain operator, or leave it analog"
        )
    mode = getattr(operator, "padding_mode", "zeros")
    if mode != "zeros":
        raise ValueError(f"padding_mode {mode!r} found, 'zeros' expected: no spikes in padding")
    return operator


def check_batched(operator: Operator, shape: torch.Size) -> None:
    """Refuse an input without a batch axis, which torch's convolutions accept.

    Raises:
        ValueError: (in, *spatial) where (batch, in, *spatial) is expected.
    """
    if len(shape) != operator.weight.dim() and not isinstance(operator, nn.Linear):
        raise ValueError(f"an input of shape {tuple(shape)} found, (batch, {operator.in_channels}, ...) expected")


def base_of(operator: Operator) -> type[nn.Module]:
    """The class of torch that an operator is, or extends."""
    return next(kind for kind in OPERATORS if isinstance(operator, kind))


def _computes_otherwise(operator: Operator) -> bool:
    """Whether a subclass, or this instance, replaces the forward of torch's operator, or of ours."""
    base = CausalConv1d if isinstance(operator, CausalConv1d) else base_of(operator)
    methods = ("forward", "_conv_forward") if base is not nn.Linear else ("forward",)
    if any(method in vars(operator) for method in methods):
        return True
    return any(getattr(type(operator), method) is not getattr(base, method) for method in methods)


def apply_operator(operator: Operator, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Apply `operator` with `weight` and `bias` in place of its own.

    Shape:
        Linear: (batch, ..., in) -> (batch, ..., out). Conv: (batch, in, *spatial) -> (batch, out, *spatial).
    """
    if isinstance(operator, nn.Linear):
        return F.linear(x, weight, bias)
    if isinstance(operator, CausalConv1d):
        x = _padded(operator, x)
    if isinstance(operator, nn.Conv1d) and is_channels_last(x):
        return _apply_channels_last(operator, x, weight, bias)
    convolve = F.conv1d if isinstance(operator, nn.Conv1d) else F.conv2d
    return convolve(x, weight, bias, operator.stride, operator.padding, operator.dilation, operator.groups)


def is_channels_last(x: Tensor) -> bool:
    """Whether the channels of a frame of x (batch, chan, n_frames) lie side by side in memory.

    That is the layout in which spikes are simulated and oneDNN convolves fastest, and what is computed from it has it
    too. PyTorch has no name for it in three dimensions.
    """
    return x.dim() == 3 and x.shape[1] > 1 and x.movedim(1, -1).is_contiguous() and not x.is_contiguous()


def _apply_channels_last(operator: nn.Conv1d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Conv1d as a matrix product or a 1 x k convolution of an image of height 1; channels stay last."""
    pointwise = (
        operator.kernel_size == (1,) and operator.stride == (1,) and operator.groups == 1 and not _pads(operator)
    )
    if pointwise and (torch.is_grad_enabled() or x.dtype == torch.float64):
        return F.linear(x.movedim(1, -1), weight[..., 0], bias).movedim(-1, 1)
    padding = operator.padding if isinstance(operator.padding, str) else (0, *operator.padding)
    image, kernel = x.unsqueeze(2), weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
    # The dilation of a single tap changes nothing, but with one PyTorch leaves the product to oneDNN. It takes MKL
    # otherwise, which needs twice the time on processors that are not Intel's.
    stride, dilation = (1, *operator.stride), (1, 2) if pointwise else (1, *operator.dilation)
    return F.conv2d(image, kernel, bias, stride, padding, dilation, operator.groups).squeeze(2)


def _padded(operator: CausalConv1d, x: Tensor) -> Tensor:
    """The zeros of a causal operator before x (batch, chan, n_frames), whose layout stays; its own padding is 0."""
    before, behind = paddings(operator)[0]
    if is_channels_last(x):
        return F.pad(x.movedim(1, -1), (0, 0, before, behind)).movedim(-1, 1)
    return F.pad(x, (before, behind))


def _pads(operator: nn.Conv1d) -> bool:
    return operator.padding not in ("same", "valid", (0,))


def out_channels(operator: Operator) -> int:
    """Number of output channels, or of output features of a Linear."""
    return operator.out_features if isinstance(operator, nn.Linear) else operator.out_channels


def per_channel(operator: Operator, values: Tensor) -> Tensor:
    """Reshape one value per channel, (chan,), so that it broadcasts over the operator's output."""
    return values if isinstance(operator, nn.Linear) else values.view(-1, *(1,) * (operator.weight.dim() - 2))


def channel_axis(operator: Operator) -> int:
    """The axis of the channels, in what the operator is given and in what it returns: the last one of a Linear."""
    return -1 if isinstance(operator, nn.Linear) else 1


def scale_inputs(operator: Operator, weight: Tensor, threshold: Tensor) -> Tensor:
    """Multiply each weight by the threshold of the input it reads: theta_{l-1} W of Eq. 3.

    Args:
        operator: the operator that reads the spikes.
        weight: (out, in / groups, *kernel).
        threshold: (1,) or one per channel of the operator's input, (in,).

    Raises:
        ValueError: the number of thresholds is neither 1 nor the number of inputs.
    """
    if threshold.numel() == 1:
        return weight * threshold.reshape(())
    groups = getattr(operator, "groups", 1)
    if threshold.numel() != weight.shape[1] * groups:
        raise ValueError(
            f"{threshold.numel()} presynaptic thresholds found, {weight.shape[1] * groups} inputs expected: "
            "flatten only layers whose threshold is layer-wise"
        )
    by_group = threshold.view(groups, weight.shape[1]).repeat_interleave(weight.shape[0] // groups, dim=0)
    return weight * by_group.view(weight.shape[0], weight.shape[1], *(1,) * (weight.dim() - 2))


def unscale_inputs(operator: Operator, weight: Tensor, threshold: Tensor | None) -> Tensor:
    """Undo `scale_inputs` where every input has a threshold of its own; None or a single one leaves the weight."""
    if threshold is None or threshold.numel() == 1:
        return weight
    return scale_inputs(operator, weight, 1 / threshold)


def fan_out(operator: Operator | nn.ConvTranspose1d, in_shape: torch.Size) -> Tensor:
    """Number of synapses that one spike of each input drives, exact at the padding edges, strides and groups.

    Args:
        operator: the operator that reads the spikes; of a transposed convolution, outputs that padding cuts off count.
        in_shape: (batch, chan, *spatial), or (batch, ..., in) for a Linear.

    Returns:
        A tensor that broadcasts against the input, float64.
    """
    if isinstance(operator, nn.Linear):
        return torch.tensor(float(operator.out_features), dtype=torch.float64)
    if isinstance(operator, nn.ConvTranspose1d):
        return torch.tensor(float(operator.weight[0].numel()), dtype=torch.float64)
    # The map is the same for every channel: the transpose of a one-channel operator, applied to ones.
    spatial = in_shape[2:]
    probe = torch.zeros(1, 1, *spatial, dtype=torch.float64, requires_grad=True)
    kernel = torch.ones(1, 1, *operator.kernel_size, dtype=torch.float64)
    convolve = F.conv1d if isinstance(operator, nn.Conv1d) else F.conv2d
    with torch.enable_grad():
        padded = _padded(operator, probe) if isinstance(operator, CausalConv1d) else probe
        total = convolve(padded, kernel, None, operator.stride, operator.padding, operator.dilation).sum()
        (reach,) = torch.autograd.grad(total, probe)
    return reach * (operator.out_channels // operator.groups)

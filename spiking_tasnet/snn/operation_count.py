"""MACs of what no counted layer computes: recurrent layers, attention, other convolutions, `F.linear` in a forward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

# Operations of torch with multiplications and no formula, neither torch's nor ours: named instead of counted.
WITHOUT_FORMULA = {
    *("_fft_r2c", "_fft_c2r", "_fft_c2c", "_cdist_forward", "_cudnn_rnn", "miopen_rnn", "_thnn_fused_lstm_cell"),
    *(
        "_native_multi_head_attention",
        "_transformer_encoder_layer_fwd",
        "_grouped_mm",
        "_int_mm",
        "_weight_int8pack_mm",
    ),
    *("_weight_int4pack_mm", "_sparse_mm", "sspaddmm", "grid_sampler_2d", "grid_sampler_3d"),
}
WITHOUT_PRODUCTS = {"aten", "prim", "prims", "profiler", "c10d", "_c10d_functional"}  # namespaces, but for the above
Report = Callable[[str, float, str | None], None]


class _Counter(TorchDispatchMode):
    """Gives `report` the MACs of each operation, or the name of one that it cannot count, and the module that runs."""

    def __init__(self, report: Report):
        super().__init__()
        self.report, self.running, self.counted = report, [""], 0  # names of modules that run; layers counted elsewhere

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        output = func(*args, **(kwargs or {}))
        # Gradients are not what a network costs in use, and run outside of any module.
        if torch._C._current_graph_task_id() == -1:
            macs = _macs(func, args, kwargs or {}, output)
            if macs is None:
                self.report(self.running[-1], 0.0, str(func._overloadpacket))
            elif macs:
                self.report(self.running[-1], macs, None)
        return output


@contextmanager
def counted_operations(network: nn.Module, elsewhere: set[int], report: Report) -> Iterator[None]:
    """While the block runs `network`, report the operations outside the modules whose ids are in `elsewhere`.

    Args:
        network: whose modules the operations belong to.
        elsewhere: ids of modules that are counted by their own formula.
        report: is given the innermost module's name, MACs, and the name of an operation that has no formula, or None.
    """
    counter, handles = _Counter(report), []
    for name, module in network.named_modules():
        inside = id(module) in elsewhere

        def begin(_: nn.Module, __: tuple, name: str = name, inside: bool = inside) -> None:
            counter.running.append(name)
            if inside and not counter.counted:  # layers that are counted elsewhere run at full speed
                counter.__exit__(None, None, None)
            counter.counted += inside

        def end(_: nn.Module, __: tuple, ___: object, inside: bool = inside) -> None:
            counter.running.pop()
            counter.counted -= inside
            if inside and not counter.counted:
                counter.__enter__()

        handles.append(module.register_forward_pre_hook(begin))
        handles.append(module.register_forward_hook(end, always_call=True))
    fast = torch.backends.mha.get_fastpath_enabled()  # one operation for a whole encoder layer, without a formula
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        with counter:
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for handle in handles:
            handle.remove()


def _macs(func: Any, args: tuple, kwargs: dict, output: Any) -> float | None:
    """MACs of an operation, 0 where it only adds or works element by element; None if nobody knows."""
    packet, name = func._overloadpacket, func._overloadpacket.__name__
    if packet in flop_registry:
        return flop_registry[packet](*args, **kwargs, out_val=output) / 2
    if func.namespace == "aten" and name in OWN:
        return float(OWN[name](*args))
    if name in WITHOUT_FORMULA or func.namespace not in WITHOUT_PRODUCTS:
        return None
    return 0.0


def _rnn(x: Tensor, input_weight: Tensor, state_weight: Tensor, *_: Any) -> int:
    """One layer and direction of a recurrent network, x (time, batch, in)."""
    return x.shape[:-1].numel() * (input_weight.numel() + state_weight.numel())


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any) -> int:
    """Query x key, and the weights x value: (batch, heads, length, size) each."""
    return query.shape[:-1].numel() * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _trilinear(left: Tensor, weight: Tensor, right: Tensor, *_: Any) -> int:
    """`nn.Bilinear`: left x weight for each item, then x right; left (batch, in1), weight (out, in1, in2)."""
    return left.shape[0] * (weight.numel() + weight.shape[0] * right.shape[-1])


OWN: dict[str, Callable[..., int]] = {
    "mkldnn_rnn_layer": _rnn,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_trilinear": _trilinear,
    "mv": lambda matrix, _: matrix.numel(),
    "addmv": lambda _, matrix, *__: matrix.numel(),
    "dot": lambda left, _: left.numel(),
    "vdot": lambda left, _: left.numel(),
}

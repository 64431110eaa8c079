"""Networks of convertible layers: find them, see what each is given, make plain torch networks convertible."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from spiking_tasnet.snn.fold import BATCH_NORMS
from spiking_tasnet.snn.kept import Kept
from spiking_tasnet.snn.layers import ConvertibleLayer
from spiking_tasnet.snn.operators import OPERATORS, check_operator

# What may lie between spiking layers: it keeps spikes as they are, or only reshapes them.
TRANSPARENT = (nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)


@dataclass(frozen=True)
class LayerReport:
    """What became of one module: `outcome` is ``converted``, ``folded``, ``analog`` or ``refused``."""

    name: str
    outcome: str
    detail: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.name:<28} {self.outcome:<10} {self.detail}"


def convertible_layers(network: nn.Module) -> dict[str, ConvertibleLayer]:
    """The convertible layers by name, in the order in which the network registers them."""
    return {name: module for name, module in network.named_modules() if isinstance(module, ConvertibleLayer)}


def check_own_parameters(network: nn.Module) -> None:
    """Refuse weights or biases that two modules share where a conversion would write to them.

    Folding a batch norm scales the operator's weights in place: the other module would change without a word.

    Raises:
        ValueError: naming the layer and the other module.
    """
    layers = convertible_layers(network)
    owners: dict[int, list[str]] = {}  # of each parameter: the names under which the network has it
    for name, parameter in network.named_parameters(remove_duplicate=False):
        owners.setdefault(id(parameter), []).append(name)
    for name, layer in layers.items():
        if layer.norm is None or layer.is_converted:
            continue
        for parameter in layer.operator.parameters():
            names = owners[id(parameter)]
            if len(names) > 1:
                raise ValueError(
                    f"{names[0]} and {names[1]} are one parameter, and folding the batch norm of layer {name!r} "
                    "would change both: give each module a parameter of its own (copy.deepcopy) before the conversion"
                )


@contextmanager
def execution_order(network: nn.Module) -> Iterator[list[str]]:
    """Record, while the block runs the network, the names of modules with parameters, or convertible, as they run."""
    order: list[str] = []
    layers = convertible_layers(network)
    inner = {f"{name}.{child}" for name, layer in layers.items() for child, _ in layer.named_modules() if child}

    def record(name: str):
        def hook(*_: object) -> None:
            if name not in order:
                order.append(name)

        return hook

    handles = [
        module.register_forward_pre_hook(record(name))
        for name, module in network.named_modules()
        if name not in inner and (name in layers or any(True for _ in module.parameters(recurse=False)))
    ]
    try:
        yield order
    finally:
        for handle in handles:
            handle.remove()


def make_convertible(network: nn.Module, *, strict: bool = True) -> list[LayerReport]:
    """Compose, in place, each (operator, optional batch norm, ReLU) run of every `nn.Sequential` into one layer.

    Args:
        network: any network; modules called outside an `nn.Sequential` are left as they are and reported.
        strict: raise where a layer is refused; otherwise it is left analog and reported.

    Returns:
        One report for each module that computes; ``converted`` here means ready to be converted.

    Raises:
        ValueError: strict, and some layers were refused; the message lists them with the reason.
    """
    if isinstance(network, nn.Sequential):
        reports = _compose(network, "")
    else:
        reports = []
    for name, module in list(network.named_modules()):
        if name and isinstance(module, nn.Sequential):
            reports += _compose(module, name + ".")
    seen = {report.name for report in reports} | set(convertible_layers(network))
    for name, module in network.named_modules():
        if isinstance(module, OPERATORS) and name not in seen and not _inside(name, network):
            reports.append(LayerReport(name, "analog", "not followed by ReLU in an nn.Sequential"))
    refused = [report for report in reports if report.outcome == "refused"]
    if strict and refused:
        raise ValueError("cannot convert: " + "; ".join(f"{report.name}: {report.detail}" for report in refused))
    return reports


def keep_synapses(network: nn.Module) -> None:
    """Have every converted layer quantise, scale and pack its weights once instead of at each call.

    For a network that is used and not trained. A layer forgets what it kept when it is put in training mode, loads a
    state or is converted; weights that are written to in another way are not noticed.
    """
    for layer in convertible_layers(network).values():
        layer.kept = Kept()


def _inside(name: str, network: nn.Module) -> bool:
    return any(name.startswith(layer + ".") for layer in convertible_layers(network))


def _compose(sequence: nn.Sequential, prefix: str) -> list[LayerReport]:
    """Compose the runs of one `nn.Sequential` in place."""
    reports: list[LayerReport] = []
    names, modules = list(sequence._modules), list(sequence)
    composed: dict[str, nn.Module] = {}
    index = 0
    while index < len(modules):
        name, module = names[index], modules[index]
        index += 1
        composed[name] = module
        if not isinstance(module, OPERATORS):
            reason = _refusal(module)
            if reason:
                reports.append(LayerReport(prefix + name, "refused", reason))
            continue
        norm = modules[index] if index < len(modules) and isinstance(modules[index], BATCH_NORMS) else None
        after = index + (norm is not None)
        if after >= len(modules) or not isinstance(modules[after], nn.ReLU):
            reports.append(_unrectified(prefix + name, modules[after] if after < len(modules) else None))
            continue
        try:
            check_operator(module)
        except ValueError as error:
            reports.append(LayerReport(prefix + name, "refused", str(error)))
            continue
        composed[name] = ConvertibleLayer(module, norm)
        reports.append(LayerReport(prefix + name, "converted", f"{type(module).__name__} + ReLU, ready to spike"))
        if norm is not None:
            reports.append(LayerReport(prefix + names[index], "folded", f"into {prefix}{name} when it is converted"))
        index = after + 1
    sequence._modules.clear()
    sequence._modules.update(composed)
    return reports


def _unrectified(name: str, after: nn.Module | None) -> LayerReport:
    if after is None:
        return LayerReport(name, "analog", "last layer: reads the free aggregate membrane potential (Eq. 9)")
    if isinstance(after, (nn.Sigmoid, nn.Softmax, nn.LogSoftmax)):
        return LayerReport(name, "analog", f"followed by {type(after).__name__}: an analog head")
    return LayerReport(name, "refused", f"followed by {type(after).__name__}, ReLU expected: spike counts are >= 0")


def _refusal(module: nn.Module) -> str:
    """Why spikes cannot cross `module`, or an empty string."""
    kind = type(module).__name__
    if isinstance(module, (ConvertibleLayer, nn.Sequential, nn.ReLU, nn.Sigmoid, *TRANSPARENT, *BATCH_NORMS)):
        return ""
    if "Pool" in kind:
        return f"{kind} reads counts, not spikes: use a strided convolution"
    if "Conv" in kind:
        return f"{kind} is not an operator that spikes can drive: use Linear, Conv1d or Conv2d"
    if isinstance(module, (nn.Tanh, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU)):
        return f"{kind} is not ReLU: spike counts are >= 0 and linear in between"
    return ""

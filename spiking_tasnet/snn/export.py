"""A converted network in one file of plain arrays, for hardware and other simulators, and the check of that file.

The file is an ``.npz`` that holds no pickled object. ``format``, ``fraction_bits`` and ``layers`` (names, in the order
in which they run) belong to the whole network; what belongs to layer i is called ``i.<field>``:

    role        ``encoding``, ``spiking`` or ``readout``
    kind        ``Linear``, ``Conv1d`` or ``Conv2d``
    stride, dilation (axes,), padding (axes, 2: zeros before and after), groups: of a convolution
    flatten     whether the layer reads its input flattened, channels first
    weight      (out, in / groups, *kernel), int8 with `scale`, (1,) or (out,); or float, then without `scale`
    bias        (out,), the whole of it, in activation units
    num_steps   N_s
    input_amplitude  theta_{l-1}, (1,) or (in,): the activation units of a spike of the layer below; not of an encoding
                layer. 1 where `scale` holds it already: integers of inputs that have a threshold each
    rectify     whether a readout is rectified
    threshold, v_init   of an encoding or spiking layer, v_init as a fraction of the threshold
    encoding    ``burst`` or ``spread``: how an encoding layer fires
    current     b / N_s, (out,), of a spiking layer
    firing      ``immediate`` or ``phased``: when a spiking layer fires

An encoding layer fires min(N_s, floor(relu(W x + b) / threshold + v_init)) spikes in consecutive steps from the first;
with ``spread``, it adds relu(W x + b) / N_s to V at each step instead, like a spiking layer. A spiking layer adds W
(input_amplitude s[t]) + current to V, which starts at v_init x threshold. Where V reaches `threshold`, the neuron fires
and V falls by it: at once, or where the firing is phased after all steps have been added, once per step of a window of
its own. Where its `current` and `threshold` are int32, the layer computes in integers: V adds
(W s[t]) 2^fraction_bits + current, with the int8 W, and starts at v_init x threshold rounded. A readout is
W (input_amplitude x counts) + b. W is `weight` x `scale` elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from spiking_tasnet.files import whole_file
from spiking_tasnet.snn.chains import is_sequence
from spiking_tasnet.snn.compose import TRANSPARENT, LayerReport
from spiking_tasnet.snn.constraints import violations
from spiking_tasnet.snn.export_fields import ROLES, Fields, export_fault, renamed
from spiking_tasnet.snn.kernels import FRACTION_BITS
from spiking_tasnet.snn.layers import ConvertibleLayer
from spiking_tasnet.snn.operators import Operator, base_of, paddings
from spiking_tasnet.snn.settings import Constraints

FORMAT = "spiking_tasnet.snn.export 2"
FIRST_FORMAT = "spiking_tasnet.snn.export 1"  # of versions up to 0.1: `encoding` was a bool, `spread`, and no `firing`


def export_network(network: nn.Module, path: str | os.PathLike) -> list[LayerReport]:
    """Write the spiking part of a converted network to one file, whole or not at all.

    Analog modules before the encoding layer and after the last converted one are not written; the reports name them.

    Args:
        network: an `nn.Sequential`, nested or not, or one layer; of another network, the part that is one.
        path: the ``.npz``.

    Returns:
        One report for each module that computes: ``exported``, or ``analog`` for what stays outside the file.

    Raises:
        ValueError: something that the file cannot carry, all of it named.
    """
    modules = list(_in_order(network, ""))
    for name, module in modules:
        if not isinstance(module, ConvertibleLayer) and any(isinstance(m, ConvertibleLayer) for m in module.modules()):
            what = f"{name}: {type(module).__name__}" if name else type(module).__name__
            raise ValueError(f"{what} is no nn.Sequential, so its order is unknown: export the nn.Sequential in it")
    converted = {place: module for place, (_, module) in enumerate(modules) if _is_converted(module)}
    if not converted:
        raise ValueError("no converted layer found: convert the network first (convert, or ProgressiveTandemLearning)")
    first, last = min(converted), max(converted)
    wrong = [f"{name}: {fault}" for name, module in modules[first : last + 1] if (fault := _fault(module))]
    wrong += _faults_of_the_chain([(modules[place][0], layer) for place, layer in converted.items()])
    if wrong:
        raise ValueError("cannot export: " + "; ".join(wrong))

    arrays: dict[str, Any] = {"format": np.array(FORMAT), "fraction_bits": np.array(FRACTION_BITS)}
    arrays["layers"] = np.array([modules[place][0] for place in converted])
    reports, below, flatten = [], None, False
    numbers = {place: number for number, place in enumerate(converted)}
    for place, (name, module) in enumerate(modules):
        if place not in converted:
            flatten |= isinstance(module, nn.Flatten)
            if any(True for _ in module.parameters()) or not isinstance(module, TRANSPARENT):
                reports.append(LayerReport(name, "analog", f"{type(module).__name__} left outside the file"))
            continue
        layer = converted[place]
        fields = _fields(layer, below) | {"flatten": np.array(flatten)}
        arrays |= {f"{numbers[place]}.{field}": values for field, values in fields.items()}
        reports.append(LayerReport(name, "exported", f"{layer.role}, {fields['kind']}, {fields['weight'].dtype}"))
        below, flatten = layer, False
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)
    return reports


def check_export(path: str | os.PathLike, constraints: Constraints) -> None:
    """Read a file that `export_network` wrote and check that its weights obey the constraints.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, or layers that break the constraints, each named with how.
    """
    found = []
    for name, fields in read_export(path).items():
        weight, bias = (torch.from_numpy(fields[field]) for field in ("weight", "bias"))
        if "scale" in fields:
            faults = _integer_faults(weight, fields["scale"], constraints)
            faults += violations(weight, None, Constraints(fan_in=constraints.fan_in))
            faults += violations(torch.zeros(1, 1), bias, Constraints(constraints.weight_bits))
        else:
            faults = violations(weight, bias, constraints)
        found += [f"layer {name!r}: {fault}" for fault in faults]
    if found:
        raise ValueError(f"{path}: " + "; ".join(found))


def _integer_faults(weight: Tensor, scale: np.ndarray, constraints: Constraints) -> list[str]:
    if not constraints.weight_bits:
        return []
    faults, most = [], int(weight.int().abs().max())
    if most > constraints.levels:
        faults.append(f"weight {most} found, at most {constraints.levels} expected in {constraints.weight_bits} bits")
    if scale.size > 1 and not constraints.per_channel:
        faults.append(f"{scale.size} scales of the weights found, 1 expected")
    return faults


def read_export(path: str | os.PathLike) -> dict[str, Fields]:
    """The fields of each layer by its name, in the order in which the layers run; errors as `check_export`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; export_network makes it") from None
    except Exception as error:  # a damaged archive can raise almost anything
        raise ValueError(f"{path}: not a file of arrays ({error}); export the network again") from None
    format_ = str(arrays.get("format"))
    if format_ not in (FORMAT, FIRST_FORMAT):
        raise ValueError(f"{path}: an export of another program or version found; export the network again")
    names = arrays.get("layers")
    if names is None or names.ndim != 1 or names.dtype.kind != "U" or not len(names):
        raise ValueError(f"{path}: no names of layers found; export the network again")
    layers = {}
    for number, name in enumerate(names):
        prefix = f"{number}."
        own = {key.removeprefix(prefix): values for key, values in arrays.items() if key.startswith(prefix)}
        own = renamed(own) if format_ == FIRST_FORMAT else own
        fault = export_fault(own)
        if fault:
            raise ValueError(f"{path}: layer {str(name)!r}: {fault}; export the network again")
        layers[str(name)] = own
    return layers


def _in_order(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """Modules in the order in which a sequence runs them, again where it runs them again; the others stay whole."""
    if not is_sequence(module):
        yield name, module
        return
    for child, inner in module._modules.items():
        if inner is not None:
            yield from _in_order(inner, f"{name}.{child}" if name else child)


def _is_converted(module: nn.Module) -> TypeGuard[ConvertibleLayer]:
    return isinstance(module, ConvertibleLayer) and module.is_converted


def _fault(module: nn.Module) -> str:
    """Why the file cannot carry a module between the first and the last converted one, or an empty string."""
    if isinstance(module, ConvertibleLayer):
        if not module.is_converted:
            return "still analog between spiking layers: finish its conversion"
        if module.role not in ROLES:
            return f"{module.role} found, one of {', '.join(ROLES)} expected: convert the ANN by method 'tandem' or PTL"
        return "" if module.norm is None or module.settings.folded else "its batch norm is live: convert with fold=True"
    if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) != (1, -1):
        return f"flattens dimensions {module.start_dim} to {module.end_dim}, all but the first expected"
    if isinstance(module, TRANSPARENT):
        return ""
    kind = type(module).__name__
    return f"{kind} lies between spiking layers, which only spikes may pass: replace it by a convertible layer"


def _faults_of_the_chain(layers: list[tuple[str, ConvertibleLayer]]) -> list[str]:
    (first, encoding), *others = layers
    found = [] if encoding.role != "spiking" else [f"{first}: spiking, but no encoding layer before it is exported"]
    found += [f"{name}: encoding, but behind other layers" for name, layer in others if layer.role == "encoding"]
    found += [f"{name}: a readout, but not the last layer" for name, layer in layers[:-1] if layer.role == "readout"]
    steps = {layer.num_steps for _, layer in layers}
    return found if len(steps) == 1 else [*found, f"num_steps {sorted(steps)} found, one for all layers expected"]


def _fields(layer: ConvertibleLayer, below: ConvertibleLayer | None) -> Fields:
    """What the file says of one layer; `below` is the layer whose spikes it reads."""
    operator, settings = layer.operator, layer.settings
    amplitude = None if below is None else _amplitude(below, operator)
    with torch.no_grad():
        branch = layer.branch(input_amplitude=amplitude)
    bias = torch.zeros_like(layer.threshold) if branch.bias is None else branch.bias
    fields: dict[str, Any] = {"role": layer.role, "kind": base_of(operator).__name__, "bias": bias}
    fields |= _geometry(operator)
    if settings.constraints.weight_bits:
        integers, scale = layer.integer_weight(amplitude)
        fields |= {"weight": integers, "scale": scale.flatten()}
    else:
        fields["weight"] = branch.weight
    fields["num_steps"] = layer.num_steps
    if amplitude is not None:
        in_scale = settings.constraints.weight_bits and amplitude.numel() > 1
        fields["input_amplitude"] = torch.ones(1) if in_scale else amplitude
    if layer.role == "readout":
        fields["rectify"] = layer.rectify
    else:
        fields |= {"threshold": layer.threshold, "v_init": settings.v_init}
    if layer.role == "encoding":
        fields["encoding"] = settings.encoding
    if layer.role == "spiking" and amplitude is not None:
        neurons = layer.neurons(branch, amplitude)
        fields |= {"current": neurons.current, "threshold": neurons.threshold, "firing": settings.firing}
    return {
        name: value.detach().cpu().numpy() if isinstance(value, Tensor) else np.array(value)
        for name, value in fields.items()
    }


def _amplitude(below: ConvertibleLayer, operator: Operator) -> Tensor:
    """Theta of what `operator` reads, (1,) or (in,): behind a flattened output each feature has its channel's."""
    amplitude = below.spike_amplitude
    if amplitude.numel() == 1 or not isinstance(operator, nn.Linear) or amplitude.numel() == operator.in_features:
        return amplitude
    positions = operator.in_features // amplitude.numel()
    # Flattened channels first (batch, chan, frames), or with the features of a Linear last (batch, time, features).
    return (
        amplitude.repeat(positions) if isinstance(below.operator, nn.Linear) else amplitude.repeat_interleave(positions)
    )


def _geometry(operator: Operator) -> dict[str, Any]:
    if isinstance(operator, nn.Linear):
        return {}
    return {
        "stride": list(operator.stride),
        "dilation": list(operator.dilation),
        "padding": paddings(operator),
        "groups": operator.groups,
    }

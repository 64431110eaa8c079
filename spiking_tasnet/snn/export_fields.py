"""What the fields of a layer in an exported file must be; see `export` for what they mean."""

from __future__ import annotations

import numpy as np

from spiking_tasnet.snn.settings import ENCODINGS, FIRINGS, MAX_STEPS

ROLES = ("encoding", "spiking", "readout")
AXES = {"Linear": 0, "Conv1d": 1, "Conv2d": 2}  # that a kernel has
Fields = dict[str, np.ndarray]


def export_fault(fields: Fields) -> str:
    """Why these are not the fields of one layer, in a few words; an empty string if they are."""
    role, kind = (_text(fields.get(name)) for name in ("role", "kind"))
    if role not in ROLES:
        return f"role {role!r} found, one of {', '.join(ROLES)} expected"
    if kind not in AXES:
        return f"kind {kind!r} found, one of {', '.join(AXES)} expected"
    shapes = _shapes(role, AXES[kind], fields)
    for name, expected in shapes.items():
        values = fields.get(name)
        if values is None:
            return f"no {name} found"
        if values.dtype.kind not in "biuf":
            return f"{name} of type {values.dtype} found, numbers expected"
        if not any(_fits(values.shape, shape) for shape in expected):
            return f"{name} of shape {values.shape} found, {' or '.join(map(str, expected))} expected"
        if not np.isfinite(values).all():
            return f"{name} holds NaN or infinite values, finite ones expected"
    if role == "encoding" and _text(fields.get("encoding")) not in ENCODINGS:
        return f"encoding {_text(fields.get('encoding'))!r} found, one of {', '.join(ENCODINGS)} expected"
    if role == "spiking" and _text(fields.get("firing")) not in FIRINGS:
        return f"firing {_text(fields.get('firing'))!r} found, one of {', '.join(FIRINGS)} expected"
    if "scale" in fields and fields["weight"].dtype != np.int8:
        return f"a weight of type {fields['weight'].dtype} with a scale found, int8 expected"
    if not 1 <= fields["num_steps"] <= MAX_STEPS:
        return f"num_steps {fields['num_steps']} found, 1 to {MAX_STEPS} expected"
    return ""


def renamed(fields: Fields) -> Fields:
    """Fields of a layer in the first format, under the names that they have now."""
    found = {{"input_worth": "input_amplitude"}.get(name, name): values for name, values in fields.items()}
    spread = found.pop("spread", None)
    if spread is not None:
        found["encoding"] = np.array("spread" if spread.any() else "burst")
    if _text(found.get("role")) == "spiking":
        found["firing"] = np.array("immediate")  # there was no other
    return found


def _shapes(role: str, axes: int, fields: Fields) -> dict[str, list[tuple[int | None, ...]]]:
    """Field -> the shapes it may have; None stands for any number."""
    weight = fields.get("weight", np.zeros(0))
    out = weight.shape[0] if weight.ndim else None
    each: list[tuple[int | None, ...]] = [(1,), (out,)]
    shapes = {"weight": [(None,) * (2 + axes)], "bias": [(out,)], "num_steps": [()], "flatten": [()]}
    if axes:
        shapes |= {"stride": [(axes,)], "dilation": [(axes,)], "padding": [(axes, 2)], "groups": [()]}
    if "scale" in fields:
        shapes["scale"] = each
    if role != "encoding":
        shapes["input_amplitude"] = [(None,)]
    if role == "readout":
        shapes["rectify"] = [()]
    else:
        shapes |= {"threshold": each, "v_init": [()]}
    if role == "spiking":
        shapes["current"] = [(out,)]
    return shapes


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        size > 0 and wanted in (None, size) for size, wanted in zip(shape, expected, strict=True)
    )


def _text(values: np.ndarray | None) -> str | None:
    return str(values) if values is not None and values.ndim == 0 and values.dtype.kind == "U" else None

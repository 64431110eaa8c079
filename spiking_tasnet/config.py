"""Typed configuration: YAML, then `--set section.key=value`; an unknown key or a wrong type is an error."""

from __future__ import annotations

import dataclasses
import math
import reprlib
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from spiking_tasnet.files import write_text
from spiking_tasnet.yaml_base import base_of, with_bases
from spiking_tasnet.yaml_file import parse_yaml, read_yaml

T = TypeVar("T")
LARGEST = 2**32 - 1  # of whole numbers: what NumPy takes as a seed


def read_config(kind: type[T], path: str | Path | None, overrides: Sequence[str] = ()) -> T:
    """Read the dataclass `kind` from YAML, then apply `section.key=value` overrides.

    A YAML may name another one, relative to itself, by `base: FILE`; its own settings win over those of the base.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not YAML, an unknown key, a wrong type or a value out of range; the message names the key.
    """
    data: Any = {}
    if path is not None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file; --config names the YAML of an experiment")
        for file in reversed(with_bases(path)):
            data = _merged(data, _read_mapping(file))
    for override in overrides:
        key, found, value = override.partition("=")
        *sections, last = key.split(".")
        target = data
        try:
            for section in sections:
                target = target.setdefault(section, {})
            target[last] = parse_yaml(value)
        except (ValueError, AttributeError, TypeError):
            found = ""
        if not found:
            raise ValueError(f"--set {override}: KEY=VALUE expected, e.g. --set ann.lr=0.001")
    return build(kind, data, str(path or "configuration"))


def _read_mapping(path: Path) -> dict[str, Any]:
    """The settings of one YAML, without its `base`."""
    data = read_yaml(path)
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise ValueError(f"{path}: {type(data).__name__} found, a mapping of settings expected")
    if "base" in data and (base_of(path) is None or not isinstance(data.pop("base"), str)):
        raise ValueError(f"{path}: base: the name of a YAML expected, on a line of its own that starts with `base:`")
    return data


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Nested settings of which those `above` win."""
    both = {key: _merged(below[key], value) for key, value in above.items() if _is_mapping(below.get(key), value)}
    return {**below, **above, **both}


def _is_mapping(*values: Any) -> bool:
    return all(isinstance(value, dict) for value in values)


def build(kind: type, data: Any, where: str) -> Any:
    """Build the dataclass `kind` from plain data, checking keys and types.

    Raises:
        ValueError: naming `where` and the key.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{where}: {type(data).__name__} found, a mapping of settings expected")
    types_of = typing.get_type_hints(kind)
    hints = {item.name: types_of[item.name] for item in dataclasses.fields(kind)}
    unknown = [key for key in data if key not in hints]
    renamed = getattr(kind, "RENAMED", {})
    if unknown and unknown[0] in renamed:
        raise ValueError(f"{where}: key {unknown[0]!r} found, which is now called {renamed[unknown[0]]!r}; rename it")
    if unknown:
        raise ValueError(f"{where}: unknown key {reprlib.repr(unknown[0])} found, one of {', '.join(hints)} expected")
    return kind(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in data.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return build(kind, value, where)
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        kind = next(option for option in typing.get_args(kind) if option is not type(None))
    if typing.get_origin(kind) is typing.Literal:
        if value not in typing.get_args(kind):
            options = ", ".join(map(str, typing.get_args(kind)))
            raise ValueError(f"{where}: {reprlib.repr(value)} found, one of {options} expected")
        return value
    if kind is float:
        value = _number(value)
    if type(value) is not kind:
        raise ValueError(f"{where}: {reprlib.repr(value)} found, {kind.__name__} expected")
    if kind is float and not math.isfinite(value):
        raise ValueError(f"{where}: {value} found, a finite number expected")
    if kind is int and abs(value) > LARGEST:
        raise ValueError(f"{where}: {reprlib.repr(value)} found, at most {LARGEST} expected")
    return value


def _number(value: Any) -> Any:
    """Whole numbers, and 1e-3, which YAML 1.1 reads as text, as float; anything else as it is."""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    return value


def flattened(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted keys.

    Examples:
        >>> flattened({"ann": {"lr": 0.001}, "seed": 0})
        {'ann.lr': 0.001, 'seed': 0}
    """
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= flattened(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def save_config(config: Any, path: str | Path) -> None:
    """Write the resolved configuration as YAML."""
    write_text(path, yaml.safe_dump(dataclasses.asdict(config), sort_keys=False), durable=True)

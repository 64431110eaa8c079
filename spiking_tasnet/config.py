"""Typed configuration: YAML, then `--set section.key=value`; an unknown key or a wrong type is an error."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from spiking_tasnet.files import write_text

T = TypeVar("T")


def read_config(kind: type[T], path: str | Path | None, overrides: Sequence[str] = ()) -> T:
    """Read the dataclass `kind` from YAML, then apply `section.key=value` overrides.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not YAML, an unknown key, a wrong type or a value out of range; the message names the key.
    """
    data: Any = {}
    if path is not None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file; --config names the YAML of an experiment")
        try:
            data = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: not a YAML file ({error})") from None
        if not isinstance(data, dict):
            raise ValueError(f"{path}: {type(data).__name__} found, a mapping of settings expected")
    for override in overrides:
        key, found, value = override.partition("=")
        *sections, last = key.split(".")
        target = data
        try:
            for section in sections:
                target = target.setdefault(section, {})
            target[last] = yaml.safe_load(value)
        except (yaml.YAMLError, AttributeError, TypeError):
            found = ""
        if not found:
            raise ValueError(f"--set {override}: KEY=VALUE expected, e.g. --set ann.lr=0.001")
    return build(kind, data, str(path or "configuration"))


def build(kind: type, data: Any, where: str) -> Any:
    """Build the dataclass `kind` from plain data, checking keys and types.

    Raises:
        ValueError: naming `where` and the key.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{where}: {type(data).__name__} found, a mapping of settings expected")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r} found, one of {', '.join(hints)} expected")
    return kind(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in data.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return build(kind, value, where)
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        kind = next(option for option in typing.get_args(kind) if option is not type(None))
    if kind is float and isinstance(value, str):  # YAML 1.1 reads 1e-3 as text
        try:
            value = float(value)
        except ValueError:
            pass
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{where}: {value!r} found, {kind.__name__} expected")
    return value


def save_config(config: Any, path: str | Path) -> None:
    """Write the resolved configuration as YAML."""
    write_text(path, yaml.safe_dump(dataclasses.asdict(config), sort_keys=False))

"""Every key of a configuration with its default and its meaning, as YAML that can be read back."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from typing import Any

import yaml

WIDTH = 100  # of comments, characters


def documented_yaml(settings: Any) -> str:
    """A dataclass of settings as YAML, each key below a comment that its docstring makes.

    Args:
        settings: a dataclass, whose fields are plain values or such dataclasses.

    Raises:
        ValueError: a field that the class docstring does not explain under `Attributes:`.
    """
    return "\n".join(_lines(settings, "", {})).strip() + "\n"


def _lines(settings: Any, indent: str, explained: dict[type, str]) -> list[str]:
    meanings, lines = meanings_of(type(settings)), []
    for item in dataclasses.fields(settings):
        value = getattr(settings, item.name)
        if item.name not in meanings:
            raise ValueError(f"{type(settings).__name__}.{item.name}: not explained in the docstring of its class")
        if not dataclasses.is_dataclass(value) or isinstance(value, type):
            lines += [*_comment(meanings[item.name], indent), f"{indent}{_one_line({item.name: value})}"]
        elif type(value) in explained:  # two sections of one kind: the first one says what the keys mean
            inner = yaml.safe_dump(dataclasses.asdict(value), sort_keys=False, width=10**6)
            comment = _comment(f"{meanings[item.name]} Its keys are those of `{explained[type(value)]}`.", indent)
            lines += ["", *comment, f"{indent}{item.name}:", textwrap.indent(inner, indent + "  ").rstrip(), ""]
        else:
            inner_lines = _lines(value, indent + "  ", explained)
            lines += ["", *_comment(meanings[item.name], indent), f"{indent}{item.name}:", *inner_lines, ""]
            explained[type(value)] = item.name
    return [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _one_line(pair: dict[str, Any]) -> str:
    return yaml.safe_dump(pair, default_flow_style=False, width=10**6).strip()


def meanings_of(kind: type) -> dict[str, str]:
    """What a class docstring says of each attribute, on one line.

    Examples:
        >>> class Schedule:
        ...     '''A schedule.
        ...
        ...     Attributes:
        ...         lr: learning rate,
        ...             of Adam.
        ...     '''
        >>> meanings_of(Schedule)
        {'lr': 'learning rate, of Adam.'}
    """
    _, _, section = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    section = textwrap.dedent(re.split(r"\n(?=\S)", section)[0])
    entries = re.findall(r"^(\w+): (.*(?:\n[ \t]+.*)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.replace("``", "`").split()) for name, text in entries}

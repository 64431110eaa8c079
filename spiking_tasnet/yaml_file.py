"""YAML as people write settings: one value a key, and nothing that unfolds into more than is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 1_000_000
MOST_VALUES = 10_000  # after anchors are unfolded


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file; None where it is empty.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not YAML, or YAML that no person writes; the message names file and line.
    """
    path = Path(path)
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size:,} bytes found, at most {MOST_BYTES:,} of settings expected")
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a YAML file ({error})") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def parse_yaml(text: str) -> Any:
    r"""Plain numbers, text, lists and mappings from YAML.

    Raises:
        ValueError: not YAML, one key twice (the line is named), anchors that unfold to too much, or a loop of them.

    Examples:
        >>> parse_yaml("ann: {lr: 0.001}")
        {'ann': {'lr': 0.001}}
        >>> parse_yaml("seed: 1\nseed: 2")
        Traceback (most recent call last):
        ValueError: line 2: 'seed' stands there twice, the first time in line 1; leave one of them
    """
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, {})
        return _unshared(loader.construct_document(node))
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError) as error:  # all by wrong tags
        raise ValueError(f"not a YAML file ({' '.join(str(error).split())})") from None
    except RecursionError:
        raise ValueError("not a YAML file (nested too deeply)") from None


def _check(node: yaml.Node, counts: dict[int, int]) -> int:
    """How many values a node unfolds to; a key that stands twice is refused."""
    if id(node) in counts:
        if not counts[id(node)]:
            raise ValueError(f"line {node.start_mark.line + 1}: an anchor that holds itself; write its values out")
        return counts[id(node)]
    counts[id(node)] = 0  # being counted
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        lines: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            children += [key, value]
            if not isinstance(key, yaml.ScalarNode):
                continue
            line, name = key.start_mark.line + 1, (key.tag, key.value)
            if name in lines:
                first = lines[name]
                raise ValueError(
                    f"line {line}: {key.value!r} stands there twice, the first time in line {first}; leave one of them"
                )
            lines[name] = line
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    total = 1 + sum(_check(child, counts) for child in children)
    if total > MOST_VALUES:
        raise ValueError(f"line {node.start_mark.line + 1}: more than {MOST_VALUES:,} values found; write fewer")
    counts[id(node)] = total
    return total


def _unshared(value: Any) -> Any:
    """What an anchor named, copied where it is used: a change in one place is none in the other."""
    if isinstance(value, dict):
        return {key: _unshared(inner) for key, inner in value.items()}
    return [_unshared(inner) for inner in value] if isinstance(value, list) else value

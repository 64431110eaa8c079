"""Options of a recipe: typed, each fault told in one line, all of them printed by --help."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Given = dict[str, Any]  # option -> value, a list where it may be repeated; an option that is not given has no entry


def text(value: str) -> str:
    """Any text but none."""
    if not value:
        raise ValueError("is empty; give it a value or leave it out")
    return value


def whole_number(value: str) -> int:
    """A whole number, zero or more."""
    if not re.fullmatch("[0-9]{1,18}", value):
        raise ValueError(f"'{value}' found, a whole number expected")
    return int(value)


def folder(value: str) -> Path:
    """A path, which is made absolute from the caller's folder."""
    return callers_folder() / text(value)


def existing_folder(value: str) -> Path:
    """The same of a folder that must be there."""
    if not os.path.isdir(value):
        raise ValueError(f"'{value}': no such folder; check the path")
    return folder(value)


def existing_file(value: str) -> Path:
    """The same of a file that must be there."""
    if not os.path.isfile(value):
        raise ValueError(f"'{value}': no such file; check the path")
    return folder(value)


def existing_folder_or_none(value: str) -> Path | str:
    """A folder that must be there, or the word none."""
    return value if value == "none" else existing_folder(value)


def callers_folder() -> Path:
    """The folder the user is in, by the name the shell shows, which keeps symbolic links."""
    shown = os.environ.get("PWD", "")
    return Path(
        shown if os.path.isabs(shown) and os.path.exists(shown) and os.path.samefile(shown, ".") else os.getcwd()
    )


@dataclass(frozen=True)
class Option:
    """One option of run.sh.

    Attributes:
        name: without the dashes; words are joined by `-`, and `_` is taken for it.
        argument: what --help calls its value.
        help: one line.
        read: makes the value of the text; raises `ValueError` with what is wrong. None is a switch.
        repeated: it may be given several times; the value is a list.
        other: another name of it; "" for none.
    """

    name: str
    argument: str
    help: str
    read: Callable[[str], Any] | None = text
    repeated: bool = False
    other: str = ""

    def __str__(self) -> str:
        return f"  {'--' + self.name + ' ' + self.argument:<22} {self.help}"


COMMON = (
    Option("stage", "N", "first stage to run (default 0)", whole_number),
    Option("stop-stage", "N", "last stage to run (default: the last)", whole_number),
    Option("force", "", "run the stages again from the beginning, removing what they and later ones made", None),
    Option("data-dir", "DIR", "gets what stage 0 makes (default: data in the recipe)", folder),
    Option("exp-dir", "DIR", "holds one folder an experiment (default: exp in the recipe)", folder),
    Option("name", "NAME", "name of the experiment (default: the name of the config)"),
    Option("config", "FILE", "YAML of the experiment", existing_file),
    Option(
        "set", "KEY=VALUE", "override one key of the config, such as ann.lr=5e-4; may be repeated", text, repeated=True
    ),
    Option("seed", "N", "override the seed of the config", whole_number),
    Option("threads", "N", "CPU threads of training (default: all)", whole_number),
    Option("help", "", "print this", None),
)


def parse(options: Sequence[Option], words: Sequence[str]) -> Given:
    """Read a command line: `--name VALUE`, `--name=VALUE`, or `--name` of a switch.

    Raises:
        ValueError: an unknown option, or a value that it does not take.
    """
    known = {name: option for option in options for name in (option.name, option.other) if name}
    given: Given = {}
    rest = iter(words)
    for word in rest:
        if not re.match("--.", word):
            raise ValueError(f"'{word}' found, an option expected; see --help")
        name, equals, value = word[2:].partition("=")
        name = name.replace("_", "-")  # --stop_stage, as Kaldi and ESPnet write it
        if name not in known:
            raise ValueError(f"unknown option --{name}; see --help")
        option = known[name]
        if option.read is None:
            if equals:
                raise ValueError(f"--{name} takes no value")
            given[option.name] = True
            continue
        if not equals and (value := next(rest, None)) is None:
            raise ValueError(f"--{name} needs a value: --{name} {option.argument}")
        try:
            read = option.read(value)
        except ValueError as error:
            raise ValueError(f"--{name} {error}") from None
        given[option.name] = [*given.get(option.name, ()), read] if option.repeated else read
    return given

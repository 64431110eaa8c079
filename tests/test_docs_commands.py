"""Every command in README, CONTRIBUTING, docs and the READMEs of the recipes parses against the real parsers."""

from __future__ import annotations

import argparse
import importlib
import itertools
import os
import re
import shlex
from pathlib import Path

import pytest

from spiking_tasnet.cli.main import COMMANDS, build_parser
from spiking_tasnet.config import read_config
from spiking_tasnet.separation.config import Config as SeparationConfig
from spiking_tasnet.stages.options import parse
from spiking_tasnet.stages.recipe import load_recipe
from spiking_tasnet.vision.config import Config as VisionConfig

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("recipes/*/README.md")),
    *sorted(ROOT.glob("egs/*/README.md")),
]
OURS = re.compile(r"^(spiking-tasnet|python (-m benchmarks|separate)|[\w./-]*/(run\.sh|python|ruff)|tools/|\.ci/)")
VISION = ("cifar10", "imagenet", "mnist")


def commands_in(text: str) -> list[str]:
    """Commands in the blocks of a page that name no language, and in its inline code."""
    blocks = re.findall(r"^```(?:sh|bash)?\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    lines = itertools.chain.from_iterable(re.sub(r"\\\n", " ", block).splitlines() for block in blocks)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    inline = (re.sub(r"\s+", " ", code) for code in re.findall(r"`([^`]+)`", prose))
    found = [
        *(line for line in lines if OURS.match(line)),
        *(code for code in inline if OURS.match(code) and " " in code),
    ]
    return [command for line in found for command in spelled_out(line)]


def spelled_out(line: str) -> list[str]:
    """A command without comment, brackets of options and ellipses; one command per word of `{a,b}`."""
    line = re.sub(r"\s#.*", "", line)
    line = re.sub(r"[\[\]]|(?<![\w/])\.\.\.", " ", line)
    braces = re.search(r"\{([^}]*,[^}]*)\}", line)
    if not braces:
        return [" ".join(line.split())]
    words = braces[1].split(",")
    return [" ".join((line[: braces.start()] + word + line[braces.end() :]).split()) for word in words]


COMMANDS_OF_PAGES = [
    pytest.param(command, id=f"{page.relative_to(ROOT)}: {command}")
    for page in PAGES
    for command in dict.fromkeys(commands_in(page.read_text(encoding="utf-8")))
]


def check_settings(kind: type, settings: list[str], config: Path | None = None) -> None:
    read_config(kind, config, [setting for setting in settings if setting != "KEY=VALUE"])


def check_package_command(words: list[str]) -> None:
    """Parse by the parser of the command; a parser that exits reports wrong arguments."""
    command = next((word for word in words if word in COMMANDS), None)
    assert command, f"none of the commands {', '.join(COMMANDS)}"
    if words == [command]:  # the text speaks of the command
        return
    try:
        args = build_parser(command).parse_args(words)
    except SystemExit as left:
        assert left.code == 0 and {"-h", "--help", "--version"} & {*words}
    else:
        kind = VisionConfig if command.startswith("vision") or command == "paper" else SeparationConfig
        check_settings(kind, getattr(args, "set", []))


def check_recipe(script: str, words: list[str]) -> None:
    run_sh = ROOT / script
    assert os.access(run_sh, os.X_OK)
    kind, folder = load_recipe(run_sh.parent)
    given = parse(kind.all_options(), words)
    check_settings(VisionConfig if folder.name in VISION else SeparationConfig, given.get("set", []))


def check_benchmark(module: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse by the parser that its main() builds."""

    class Parsed(Exception):
        pass

    def parse_args(parser: argparse.ArgumentParser, args: object = None) -> None:
        known = argparse.ArgumentParser.parse_known_args(parser, words)[1]
        assert known == []
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
    with pytest.raises(Parsed):
        importlib.import_module(module).main()


@pytest.mark.parametrize("command", COMMANDS_OF_PAGES)
def test_a_command_parses(command, tmp_path, monkeypatch):
    words = [
        {"DIR": str(tmp_path), "N": "1", "YAML": str(tmp_path / "a.yaml")}.get(word, word)
        for word in shlex.split(command)
    ]
    (tmp_path / "a.yaml").write_text("seed: 0\n")
    program, *rest = words
    if program == "spiking-tasnet":
        check_package_command(rest)
    elif program.endswith("run.sh"):
        check_recipe(program, rest)
    elif program.endswith("python") and rest[0] == "separate.py":
        check_package_command(["separate", *rest[1:]])
    elif program.endswith("python") and rest[:1] == ["-m"]:
        check_benchmark(rest[1], rest[2:], monkeypatch)
    elif program.startswith(".venv/"):
        assert Path(program).name in ("ruff", "pip")
    else:
        assert os.access(ROOT / program, os.X_OK), f"{program}: no such program in the checkout"


def test_the_reader_sees_what_it_should():
    block = "```\ntools/x.sh [--a DIR] \\\n  ... # no\nls\n```\n"
    text = f"a `spiking-tasnet {{mix,score}} --help`\n{block}```python\ntools/y\n```\n"
    assert commands_in(text) == ["tools/x.sh --a DIR", "spiking-tasnet mix --help", "spiking-tasnet score --help"]

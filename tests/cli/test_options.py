"""One name for one thing in every command; names of earlier versions still work."""

import argparse
from pathlib import Path

import pytest

from spiking_tasnet.cli.main import COMMANDS, build_parser


def options_of(command):
    (subcommands,) = (a for a in build_parser(command)._actions if isinstance(a, argparse._SubParsersAction))
    return {name: action for action in subcommands.choices[command]._actions for name in action.option_strings}


@pytest.mark.parametrize("command", COMMANDS)
def test_data_is_the_data_folder_in_every_command(command):
    options = options_of(command)
    shown = [name for name in ("--data", "--data-dir") if name in options and options[name].help != argparse.SUPPRESS]
    assert shown in ([], ["--data"])
    for name in shown:
        assert options[name].help.startswith("data folder ")


@pytest.mark.parametrize(
    ("command", "name", "former", "rest"),
    [
        ("mix", "--data", "--data-dir", ["--corpus", "c", "--mix-lists", "l"]),
        ("mix", "--corpus", "--wsj0", ["--data", "d", "--mix-lists", "l"]),
        ("mix-librimix", "--data", "--data-dir", ["--librispeech", "c", "--metadata", "m"]),
        ("talkers", "--data", "--data-dir", ["--talkers", "c"]),
        ("score", "--subset", "--data", ["--est", "e", "--out", "o"]),
        ("separate-set", "--subset", "--data", ["--model", "m", "--out", "o"]),
    ],
)
def test_a_former_name_means_the_same(command, name, former, rest, capsys):
    parser = build_parser(command)
    given = parser.parse_args([command, *rest, name, "folder"])
    assert parser.parse_args([command, *rest, former, "folder"]) == given and Path("folder") in vars(given).values()
    for wrong in (rest, [*rest, name, "a", former, "b"] if former != "--wsj0" else rest):
        with pytest.raises(SystemExit):
            parser.parse_args([command, *wrong])
        assert name in capsys.readouterr().err

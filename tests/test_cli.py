import subprocess
import sys

import pytest

from spiking_tasnet import __version__
from spiking_tasnet.cli.main import COMMANDS, main


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert f"spiking-tasnet {command}" in text and len(text.splitlines()) > 5


def test_version_and_list_of_commands(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == __version__
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["mix"], ["score", "--data", "x"]])
def test_wrong_arguments_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_help_does_not_import_torch():
    code = (
        "import sys; sys.argv = ['x', '--help']\n"
        "from spiking_tasnet.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_debug_shows_the_traceback(monkeypatch, tmp_path):
    monkeypatch.setenv("SPIKING_TASNET_DEBUG", "1")
    with pytest.raises(FileNotFoundError):
        main(["separate-set", "--data", str(tmp_path), "--model", str(tmp_path), "--out", str(tmp_path)])


def test_the_module_runs():
    done = subprocess.run([sys.executable, "-m", "spiking_tasnet", "--version"], capture_output=True, text=True)
    assert done.stdout.strip() == __version__

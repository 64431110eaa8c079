"""Standard streams that are closed, full or of few letters."""

import os
import subprocess
import sys

import pytest

CODE = """
import sys
from spiking_tasnet.cli.console import say, tell
from spiking_tasnet.cli.streams import lenient_streams
with lenient_streams():
    took = [say("caf\\u00e9 \\udce9"), tell("told")]
with open(sys.argv[1], "w") as file:
    print(file.fileno() > 2, *took, file=file)
"""


def run(tmp_path, redirection, environment=""):
    out = tmp_path / "out"
    script = f'{environment} exec "$1" -c "$2" "$3" {redirection}'
    command = ["sh", "-c", script, "sh", sys.executable, CODE, str(out)]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return out.read_text().split(), done


def test_closed_streams_are_never_taken_for_a_file(tmp_path):
    found, done = run(tmp_path, "1>&- 2>&-")
    assert found == ["True", "False", "False"] and done.stdout == done.stderr == b""


def test_full_streams_are_no_error(tmp_path):
    assert run(tmp_path, ">/dev/full 2>/dev/full")[0] == ["True", "False", "False"]
    found, done = run(tmp_path, ">/dev/full")
    assert found == ["True", "False", "True"] and done.stderr == b"told\n"


def test_letters_that_the_terminal_lacks_are_escaped(tmp_path):
    found, done = run(tmp_path, "", "LC_ALL=C PYTHONCOERCECLOCALE=0 PYTHONUTF8=0")
    assert found == ["True", "True", "True"] and done.stdout == b"caf\\xe9 \\udce9\n"
    assert run(tmp_path, "", "PYTHONUTF8=1")[1].stdout == b"caf\xc3\xa9 \\udce9\n"


@pytest.mark.parametrize("streams", [">/dev/full 2>&1", ">&- 2>&-", "| true", ">/dev/null"])
def test_without_the_command_line_a_closed_or_full_stream_is_no_error_either(streams, tmp_path):
    program = (
        "from spiking_tasnet.cli.console import say, tell\n"
        "for _ in range(20000): say('a result')\n"
        f"tell('a warning'); open({str(tmp_path / 'done')!r}, 'w').close()"
    )
    command = f'set -o pipefail; {sys.executable} -c "$PROGRAM" {streams}'
    env = os.environ | {"PROGRAM": program, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "done").exists() and "Traceback" not in done.stderr and "ignored" not in done.stderr

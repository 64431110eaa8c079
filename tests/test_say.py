"""Lines for the user where nobody can read them."""

import os
import subprocess
import sys

import pytest

from spiking_tasnet.cli.say import say, warn


def test_lines_go_where_they_belong(capsys):
    say("a result")
    warn("a warning")
    assert capsys.readouterr() == ("a result\n", "a warning\n")


@pytest.mark.parametrize("streams", [">/dev/full 2>&1", ">&- 2>&-", "| true", ">/dev/null"])
def test_a_closed_or_full_stream_is_no_error(streams, tmp_path):
    program = (
        "from spiking_tasnet.cli.say import say, warn\n"
        "for _ in range(20000): say('a result')\n"
        f"warn('a warning'); open({str(tmp_path / 'done')!r}, 'w').close()"
    )
    command = f'set -o pipefail; {sys.executable} -c "$PROGRAM" {streams}'
    env = os.environ | {"PROGRAM": program, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "done").exists() and "Traceback" not in done.stderr and "ignored" not in done.stderr

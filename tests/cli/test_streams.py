"""Commands whose standard streams are closed, full or of a poor encoding: the result is written all the same."""

import os
import subprocess
import sys

import pytest
from tiny_images import write_idx

MADE = ["dataset.json", "test_images.npy", "test_labels.npy", "train_images.npy", "train_labels.npy"]
SAID = "mnist: 60 training and 20 test images, 10 classes\n"


@pytest.fixture
def command(tmp_path):
    """A quick command that prints to stdout and logs a warning to stderr."""
    write_idx(tmp_path / "source")
    program = f"{sys.executable} -m spiking_tasnet vision-data --corpus mnist --source source --out out"

    def run(redirected, **environment):
        done = subprocess.run(
            ["bash", "-c", f"{program} {redirected}; echo code $? >&9", "bash"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
            capture_output=True,
            text=True,
            preexec_fn=lambda: os.dup2(os.open(tmp_path / "code", os.O_CREAT | os.O_WRONLY, 0o644), 9),
            close_fds=False,
        )
        return int((tmp_path / "code").read_text().split()[1]), done.stdout, done.stderr

    run.made = lambda: sorted(path.name for path in (tmp_path / "out").iterdir())
    return run


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full", "2>&- <&-", ">&- 2>&- <&-", ">&-"])
def test_a_stream_that_is_closed_or_full_costs_no_result(command, redirected):
    code, out, error = command(redirected)
    assert (code, command.made()) == (0, MADE)
    assert out == ("" if ">&- 2" in redirected or redirected == ">&-" else SAID)
    assert "Traceback" not in error and "Exception" not in error


def test_a_reader_that_has_seen_enough_is_no_error(command):
    code, _, error = command("> >(exec true)")
    assert (code, command.made()) == (0, MADE) and "Broken" not in error and "Traceback" not in error


def test_what_was_asked_for_on_stdout_and_could_not_be_printed_is_an_error(command):
    code, _, error = command(">/dev/full")
    assert (code, command.made()) == (1, MADE)
    assert error.splitlines()[-1] == (
        "spiking-tasnet: error: standard output: [Errno 28] No space left on device; what it printed is lost"
    )


def test_an_error_keeps_its_code_without_a_stderr(command):
    code, out, _ = command("--source nowhere 2>&-")
    assert (code, out) == (1, "")


def test_a_name_that_the_encoding_lacks_is_escaped(command):
    code, _, error = command(
        "--source $'caf\\xe9' 2>&1 1>/dev/null | cat >&2; (exit ${PIPESTATUS[0]})", PYTHONIOENCODING="ascii"
    )
    assert code == 1 and "caf\\udce9: no such folder" in error

"""tools/env.sh: makes .venv once, says what is wrong in one line, takes an environment that is there."""

import os
import shutil
import subprocess
import sys
import venv

import pytest
from stage_script import ROOT, copy_without_recipes

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

# Stands for Python: `-m venv` makes another such stub, `-m pip` is recorded and fails when told to.
STUB = """#!/usr/bin/env bash
case "$*" in
    *"-m venv"*) mkdir -p "${@: -1}/bin" && cp "$0" "${@: -1}/bin/python" ;;
    *"-m pip"*) printf '%s\\n' "$*" >>"$PIP_CALLS"; [ -z "$PIP_FAILS" ] || { echo "ERROR: no such release"; exit 1; } ;;
esac
"""


@pytest.fixture
def project(tmp_path):
    """A copy of the project's tools, with stubs for Python on the PATH."""
    root = copy_without_recipes(tmp_path / "project")
    stub = tmp_path / "bin" / "python3"
    stub.parent.mkdir()
    stub.write_text(STUB)
    stub.chmod(0o755)

    def run(pip_fails=""):
        environment = {
            "PATH": f"{stub.parent}:{os.environ['PATH']}",
            "PIP_CALLS": str(tmp_path / "calls"),
            "PIP_FAILS": pip_fails,
            "CC": sys.executable,  # any program that is there
        }
        command = ["bash", "-c", '. tools/env.sh && echo "python: $SPIKING_TASNET_PYTHON"']
        return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)

    run.root, run.calls = root, tmp_path / "calls"
    return run


def test_made_once_then_quick_and_silent(project):
    first = project()
    assert first.returncode == 0 and "making" in first.stderr and len(first.stderr.splitlines()) == 1
    assert first.stdout == f"python: {project.root}/.venv/bin/python\n"
    assert "--constraint constraints.txt --editable .[test,espeak,vision]" in project.calls.read_text()
    second = project()
    assert (second.returncode, second.stderr, second.stdout) == (0, "", first.stdout)
    assert len(project.calls.read_text().splitlines()) == 1


def test_changed_requirements_bring_it_up_to_date(project):
    project()
    with open(project.root / "constraints.txt", "a") as stream:
        stream.write("# newer\n")
    again = project()
    assert again.returncode == 0 and "bringing" in again.stderr
    assert len(project.calls.read_text().splitlines()) == 2
    assert project().stderr == ""


def test_a_failed_install_is_not_taken_for_finished(project):
    failed = project(pip_fails="1")
    assert failed.returncode == 1 and "pip install failed (ERROR: no such release)" in failed.stderr
    assert not (project.root / ".venv" / ".ready").exists()
    assert project().returncode == 0 and (project.root / ".venv" / ".ready").exists()


def foreign(python):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SPIKING_TASNET")}
    command = ["bash", "-c", ". tools/env.sh && echo taken"]
    environment["SPIKING_TASNET_PYTHON"] = str(python)
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_an_environment_that_is_there_is_taken_as_it_is():
    done = foreign(sys.executable)
    assert done.returncode == 0 and done.stdout == "taken\n"


def test_an_environment_that_lacks_packages_is_named(tmp_path):
    venv.create(tmp_path / "bare", with_pip=False)
    done = foreign(tmp_path / "bare" / "bin" / "python")
    assert done.returncode == 1 and "it lacks torch, torchaudio" in done.stderr and "pyproject.toml" in done.stderr
    absent = foreign("/nowhere/python")
    assert absent.returncode == 1 and "/nowhere/python: no such program" in absent.stderr

"""A run.sh under test: the Python of its commands is a stub that records how it is called."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds, for what takes one on a quiet machine
# Stands for Python: passes the checks of tools/env.sh, runs the runner itself, records every other call.
STUB = f"""#!/usr/bin/env bash
case "$*" in
    *check_env.py | "-I -c "*) exit 0 ;;
    "-m spiking_tasnet run "*) exec {sys.executable} "$@" ;;
esac
printf '%s\\n' "$*" >>"$FAKE_CALLS"
if [ -n "${{FAKE_FAIL:-}}" ] && [[ "$*" == *"$FAKE_FAIL"* ]]; then echo "stub: told to fail" >&2; exit 7; fi
if [ -n "${{FAKE_HANG:-}}" ] && [[ "$*" == *"$FAKE_HANG"* ]]; then
    if [ -n "${{FAKE_STUBBORN:-}}" ]; then trap '' INT; fi
    echo "$$" >"$FAKE_CALLS.pid"
    exec sleep 600
fi
"""


class Recipe:
    """One recipe's run.sh with its data and experiments in `folder`.

    Args:
        run: the recipe's folder, from `root`.
        folder: holds data, exp and the stub; the caller's folder.
        root: the project, or a copy of it.
        config: named by --config; None leaves the choice to the recipe.
    """

    def __init__(self, run: str, folder: Path, root: Path = ROOT, config: str | None = "conf.yaml") -> None:
        self.run_sh = root / run / "run.sh"
        self.folder = folder
        self.config = config
        self.exp = folder / "exp" / "conf"
        self.calls_file = folder / "calls"
        self.stub = folder / "python"
        self.stub.write_text(STUB)
        self.stub.chmod(0o755)
        (folder / "conf.yaml").write_text("seed: 0\n")

    def command(self, *options: str) -> list[str]:
        places = ["--data-dir", "data", "--exp-dir", "exp"]
        config = ["--config", self.config] if self.config else []
        return ["bash", str(self.run_sh), *places, *config, *options]

    def environment(self, **extra: str) -> dict[str, str]:
        own = {"SPIKING_TASNET_PYTHON": str(self.stub), "FAKE_CALLS": str(self.calls_file)}
        clean = {key: value for key, value in os.environ.items() if not key.startswith("SPIKING_TASNET")}
        return {**clean, **own, **extra}

    def run(self, *options: str, **extra: str) -> subprocess.CompletedProcess:
        """Run with `options` from `folder`; `extra` goes into the environment."""
        self.calls_file.unlink(missing_ok=True)
        return subprocess.run(
            self.command(*options), cwd=self.folder, env=self.environment(**extra), capture_output=True, text=True
        )

    def interrupt(self, hang: str, signal_number: int, *options: str, **extra: str) -> tuple[int, str, int]:
        """Send a signal while the stub hangs in the call that contains `hang`; `extra` goes into the environment.

        Returns:
            Exit code, standard error, and the process id of the hanging call.
        """
        self.calls_file.unlink(missing_ok=True)
        pid_file = Path(f"{self.calls_file}.pid")
        pid_file.unlink(missing_ok=True)
        with tempfile.TemporaryFile("w+") as error:
            process = subprocess.Popen(
                self.command(*options),
                cwd=self.folder,
                env=self.environment(FAKE_HANG=hang, **extra),
                stdout=subprocess.DEVNULL,
                stderr=error,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
            try:
                wait_until(lambda: pid_file.exists() and pid_file.read_text().strip())
                process.send_signal(signal_number)
                process.wait(timeout=PATIENCE)
            finally:
                process.kill()
            error.seek(0)
            return process.returncode, error.read(), int(pid_file.read_text())

    @property
    def calls(self) -> list[str]:
        """Calls of the last run, with the folder's path left out."""
        text = self.calls_file.read_text() if self.calls_file.exists() else ""
        return text.replace(f"{self.folder}/", "").replace("-m spiking_tasnet ", "").splitlines()

    @property
    def commands(self) -> list[str]:
        """First word of each call of the last run."""
        return [Path(call.split()[0]).name for call in self.calls]


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until something is so; on a busy machine that may take a while."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def has_ended(pid: int) -> bool:
    """Whether a process is over, be it that nobody has asked for its exit code."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return not Path("/proc/self").exists()


def one_line_error(result: subprocess.CompletedProcess) -> str:
    """The only line on standard error of a run that failed."""
    assert result.returncode != 0, result.stdout
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


def copy_without_recipes(folder: Path) -> Path:
    """Copy the package, tools/ and what it reads into `folder`, for tests that must not touch the project."""
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "sph2pipe")
    for name in ("tools", "spiking_tasnet"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder / name)
    return folder

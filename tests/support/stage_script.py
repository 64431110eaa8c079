"""A run.sh under test: its Python is a stub that records how it is called."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUB = """#!/usr/bin/env bash
# Stands for Python: passes the checks of tools/env.sh, records every other call.
if [ "$1" = - ]; then cat >/dev/null; exit 0; fi
printf '%s\\n' "$*" >>"$FAKE_CALLS"
if [ -n "${FAKE_FAIL:-}" ] && [[ "$*" == *"$FAKE_FAIL"* ]]; then echo "stub: told to fail" >&2; exit 7; fi
if [ -n "${FAKE_HANG:-}" ] && [[ "$*" == *"$FAKE_HANG"* ]]; then echo "$$" >"$FAKE_CALLS.pid"; exec sleep 60; fi
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

    def interrupt(self, hang: str, signal_number: int, *options: str) -> tuple[int, str, int]:
        """Send a signal while the stub hangs in the call that contains `hang`.

        Returns:
            Exit code, standard error, and the process id of the hanging call.
        """
        self.calls_file.unlink(missing_ok=True)
        pid_file = Path(f"{self.calls_file}.pid")
        process = subprocess.Popen(
            self.command(*options),
            cwd=self.folder,
            env=self.environment(FAKE_HANG=hang),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        try:
            for _ in range(200):
                if pid_file.exists() and pid_file.read_text().strip():
                    break
                time.sleep(0.05)
            process.send_signal(signal_number)
            _, error = process.communicate(timeout=20)
        finally:
            process.kill()
        return process.returncode, error, int(pid_file.read_text())

    @property
    def calls(self) -> list[str]:
        """Calls of the last run, with the folder's path left out."""
        text = self.calls_file.read_text() if self.calls_file.exists() else ""
        return text.replace(f"{self.folder}/", "").replace("-m spiking_tasnet ", "").splitlines()

    @property
    def commands(self) -> list[str]:
        """First word of each call of the last run."""
        return [Path(call.split()[0]).name for call in self.calls]


def one_line_error(result: subprocess.CompletedProcess) -> str:
    """The only line on standard error of a run that failed."""
    assert result.returncode != 0, result.stdout
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


def copy_without_recipes(folder: Path) -> Path:
    """Copy tools/ and what it reads into `folder`, for tests that must not touch the project."""
    shutil.copytree(ROOT / "tools", folder / "tools")
    for name in ("setup.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder / name)
    return folder

"""How a result came about: command, seed, versions, commit and machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from spiking_tasnet import __version__

PACKAGES = ("torch", "torchvision", "torchaudio", "pytorch-lightning", "asteroid", "numpy")


def run_facts(seed: int) -> dict[str, Any]:
    """How a result came about: command, seed, versions, commit and machine; no host name, no address."""
    versions = {"python": platform.python_version(), "spiking-tasnet": __version__}
    versions |= {package: found for package in PACKAGES if (found := _version(package))}
    recipe = os.environ.get("SPIKING_TASNET_RECIPE")  # set by `spiking-tasnet run`: its own command line
    return ({"recipe": recipe} if recipe else {}) | {
        "command": " ".join(["spiking-tasnet", *sys.argv[1:]]),
        "seed": seed,
        "versions": versions,
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "memory_gib": _memory_gib()},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*words: str) -> str | None:
    folder = Path(__file__).parent
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _memory_gib() -> int | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (ValueError, OSError, AttributeError):
        return None

"""How a result came about: command, seed, versions, commit and machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from spiking_tasnet import __version__

PACKAGES = ("torch", "torchvision", "torchaudio", "pytorch-lightning", "asteroid", "numpy")


@dataclass(frozen=True)
class Machine:
    """What a training ran on; `cores` are logical ones."""

    cpu: str
    cores: int | None
    memory_gib: int | None


@dataclass(frozen=True)
class RunFacts:
    """How a result came about; no host name, no address.

    Attributes:
        recipe: command line of the recipe; None if no recipe ran the command.
        command: the command itself.
        seed: of the experiment.
        versions: of Python, this toolkit and the packages that decide results.
        commit: of this toolkit; None if it does not run from a checkout.
        dirty: whether the checkout had changes that are not in the commit.
        machine: where it ran.
    """

    recipe: str | None
    command: str
    seed: int
    versions: dict[str, str]
    commit: str | None
    dirty: bool
    machine: Machine

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; without `recipe` if there is none."""
        facts = asdict(self)
        return facts if self.recipe else {key: value for key, value in facts.items() if key != "recipe"}


def run_facts(seed: int) -> RunFacts:
    """The facts of this process."""
    versions = {"python": platform.python_version(), "spiking-tasnet": __version__}
    versions |= {package: found for package in PACKAGES if (found := _version(package))}
    return RunFacts(
        recipe=os.environ.get("SPIKING_TASNET_RECIPE") or None,  # set by `spiking-tasnet run`: its own command line
        command=" ".join(["spiking-tasnet", *sys.argv[1:]]),
        seed=seed,
        versions=versions,
        commit=_git("rev-parse", "HEAD"),
        dirty=bool(_git("status", "--porcelain", "--untracked-files=no")),
        machine=Machine(_cpu(), os.cpu_count(), _memory_gib()),
    )


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

"""How the runs of an experiment came about, as a table: command, seed, sizes, hours, machine and versions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spiking_tasnet.report.markdown import number, table

RUN_FACTS = {  # key of run.json -> (label, unit)
    "recipe": ("recipe", ""),
    "command": ("command", ""),
    "seed": ("seed", ""),
    "hours": ("training time", "h"),
    "epochs": ("epochs", ""),
    "parameters": ("parameters", ""),
    "train_mixtures": ("training mixtures", ""),
    "train_hours_audio": ("training audio", "h"),
    "train_images": ("training images", ""),
}


def run_table(runs: Mapping[str, Mapping[str, Any]]) -> str:
    """Command, seed, sizes, hours, machine and versions, as each run.json has them; one column a run, by its name."""
    rows = [[label, *cells] for label, cells in run_facts_by_row(runs).items()]
    return table(["", *runs], rows, text_columns=1 + len(runs))


def run_facts_by_row(runs: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """The rows of `run_table`: label -> one cell a run; facts that no run has are left out."""
    rows = {}
    for key, (label, unit) in RUN_FACTS.items():
        values = [run.get(key) for run in runs.values()]
        if any(value is not None for value in values):
            rows[label] = [_fact(without_places(value), unit) for value in values]
    rows["commit"] = [_commit(run) for run in runs.values()]
    rows["machine"] = [_machine(run.get("machine", {})) for run in runs.values()]
    rows["versions"] = [_versions(run.get("versions", {})) for run in runs.values()]
    return rows


def without_places(value: Any) -> Any:
    """A command without the machine's folders: absolute paths in it keep their last part, other words all of it."""
    if not isinstance(value, str):
        return value
    return " ".join(Path(word).name if word.startswith("/") else word for word in value.split(" "))


def _fact(value: Any, unit: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{number(value, 2)} {unit}".strip()
    if isinstance(value, int):
        return str(value)
    return f"`{value}`".replace("|", "\\|")


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{package} {version}" for package, version in versions.items()) or "–"


def _commit(run: Mapping[str, Any]) -> str:
    commit = run.get("commit")
    return "–" if not commit else f"{str(commit)[:12]}{', with uncommitted changes' if run.get('dirty') else ''}"


def _machine(machine: dict[str, Any]) -> str:
    parts = []
    if machine.get("cpu"):
        parts.append(str(machine["cpu"]))
    if machine.get("cores"):
        parts.append(f"{machine['cores']} cores")
    if machine.get("memory_gib"):
        parts.append(f"{number(machine['memory_gib'], 0)} GiB")
    if machine.get("gpu"):
        parts.append(str(machine["gpu"]))
    return ", ".join(parts) or "–"

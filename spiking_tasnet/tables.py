"""Markdown tables of a report: layout, numbers, PTL's stages and how a run came about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

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


def table(header: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """Lay out a Markdown table; the first `text_columns` are text, the rest numbers aligned right."""
    rule = ["---"] * text_columns + ["---:"] * (len(header) - text_columns)
    lines = [header, rule, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float | int | None, decimals: int = 0, sign: bool = False) -> str:
    """Format a number for a table: a dash for None, thousands separated, no negative zero."""
    if value is None:
        return "–"
    return f"{round(value, decimals) + 0.0:{'+' if sign else ''},.{decimals}f}"


def difference(first: float | None, second: float | None, decimals: int = 0) -> str:
    """Format first minus second with its sign: a dash where one is not there."""
    return number(None if first is None or second is None else first - second, decimals, sign=True)


def stage_table(stages: Sequence[Mapping[str, Any]], loss: Callable[[float | None], str]) -> str:
    """One row a PTL stage, as stages.json has them; `loss` formats what was monitored."""
    header = ["stage", "layer", "role", "threshold", "epochs", "before", "right after conversion", "after its stage"]
    rows = []
    for stage in stages:
        losses = [stage.get(f"val_loss_{when}") for when in ("before", "converted", "best")]
        rows.append(
            [str(stage.get("ptl_stage", "–")), str(stage.get("layer", "–")), str(stage.get("role", "–"))]
            + ["–" if stage.get("threshold") is None else f"{stage['threshold']:.4g}", number(stage.get("epochs"))]
            + [loss(value) for value in losses]
        )
    return table(header, rows, text_columns=3)


def assumed_costs(cost: Mapping[str, Any]) -> str:
    """The energies that an estimate of `record_cost` stands on, with their source."""
    told = f"{_picojoule(cost.get('mac_joule'))} a MAC, {_picojoule(cost.get('ac_joule'))} an accumulate"
    return f"Costs assumed: {told} ({cost.get('source', 'no source stated')})."


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


def _picojoule(joule: float | None) -> str:
    return "–" if joule is None else f"{joule * 1e12:.3g} pJ"


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


def _commit(run: dict[str, Any]) -> str:
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

"""Markdown tables of a report: layout, numbers, PTL's stages and assumed costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any


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


def _picojoule(joule: float | None) -> str:
    return "–" if joule is None else f"{joule * 1e12:.3g} pJ"

"""Table 4: speech separation by the ANN and the SNN, closed and open condition, by the talkers' genders."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from spiking_tasnet.files import read_json
from spiking_tasnet.paper.published import TABLE4
from spiking_tasnet.paper.style import BLUE, VERMILION, Rendered, legend, panels, paper_points, points
from spiking_tasnet.paper.summary import NO_NUMBER, mean_and_sd, number_or_dash
from spiking_tasnet.report.markdown import table
from spiking_tasnet.separation.report.tables import DECIMALS, METRIC_NAMES, SYSTEM_NAMES
from spiking_tasnet.separation.scores.means import GROUPS

METRICS = ("si_sdr", "si_sdr_i", "pesq", "stoi")
DRAWN = {"si_sdr": "SI-SDR (dB)", "pesq": "PESQ"}  # what the paper gives
COLOURS = {"ann": VERMILION, "snn": BLUE}
Results = Mapping[str, Mapping[str, Mapping[str, Mapping[str, float | None]]]]  # condition, system, group, metric


@dataclass(frozen=True)
class Experiment:
    """The scores of one experiment, as its report averaged them.

    Attributes:
        name: of its folder.
        results: condition -> system -> gender group -> metric -> mean over mixtures; None where nothing was measured.
    """

    name: str
    results: Results

    def score(self, condition: str, system: str, group: str, metric: str) -> float | None:
        """One mean; None where there is none."""
        return self.results[condition][system].get(group, {}).get(metric)


def read_experiment(folder: Path) -> Experiment:
    """Read the results.json that the report of a separation experiment left in its folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not what a report writes.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; stage 5 (report) of a separation recipe makes it")
    results = read_json(path)
    try:
        complete = all(set(results[condition]) == set(SYSTEM_NAMES) for condition in TABLE4)
        complete = complete and all(
            isinstance(scores, dict)
            and all(value is None or isinstance(value, int | float) for value in scores.values())
            for condition in TABLE4
            for groups in results[condition].values()
            for scores in groups.values()
        )
    except (AttributeError, KeyError, TypeError):
        complete = False
    if not complete:
        raise ValueError(f"{path}: not the results of a separation experiment; run its stage 5 (report) again")
    return Experiment(folder.resolve().name, results)


def show_separation(folders: Sequence[Path]) -> Rendered:
    """Table 4 from finished experiments, one per seed; errors as `read_experiment`."""
    if len({os.path.realpath(folder) for folder in folders}) < len(folders):
        raise ValueError("--exp: one folder given twice, different experiments expected, one per seed")
    experiments = [read_experiment(folder) for folder in folders]
    rows = [
        {"condition": condition, "system": system, "group": group, "run": experiment.name}
        | {"mixtures": experiment.score(condition, system, group, "n")}
        | {metric: experiment.score(condition, system, group, metric) for metric in METRICS}
        | {f"paper_{metric}": _published(condition, system, group, metric) for metric in DRAWN}
        for condition in TABLE4
        for system in SYSTEM_NAMES
        for group in GROUPS
        for experiment in experiments
    ]
    count = len(experiments)
    figure, grid = panels(len(DRAWN), len(TABLE4), 8.6, 6.4)
    for axes_row, (metric, label) in zip(grid, DRAWN.items(), strict=True):
        for axes, condition in zip(axes_row, TABLE4, strict=True):
            for system, colour in COLOURS.items():
                _draw(axes, experiments, condition, system, metric, colour)
            axes.set_title(f"{condition} condition", fontsize=9.5, loc="left")
            axes.set_ylabel(label)
    figure.suptitle(f"Table 4: speech separation, {count} experiment{'s' if count > 1 else ''}", fontsize=10)
    legend(figure, columns=5)
    return Rendered(rows, figure, _markdown(experiments))


def _draw(axes: Axes, experiments: Sequence[Experiment], condition: str, system: str, metric: str, colour: str) -> None:
    ours = {group: _measured(experiments, condition, system, group, metric) for group in GROUPS}
    ours = {group: values for group, values in ours.items() if values}
    if ours:
        points(axes, ours, colour, SYSTEM_NAMES[system])
    theirs = {group: value for group in ours if (value := _published(condition, system, group, metric)) is not None}
    paper_points(axes, list(ours), theirs, f"{SYSTEM_NAMES[system]}, paper", colour)


def _markdown(experiments: Sequence[Experiment]) -> str:
    """Our rows and, below each of the ANN and the SNN, the paper's."""
    header = ["condition", "system", *(f"{METRIC_NAMES[metric]} {group}" for metric in METRICS for group in GROUPS)]
    lines = []
    for condition in TABLE4:
        for system, name in SYSTEM_NAMES.items():
            ours, theirs = [], []
            for metric in METRICS:
                for group in GROUPS:
                    values = _measured(experiments, condition, system, group, metric)
                    ours.append(mean_and_sd(values, DECIMALS[metric]) if values else NO_NUMBER)
                    theirs.append(number_or_dash(_published(condition, system, group, metric), DECIMALS[metric]))
            lines.append([condition, name, *ours])
            if system in TABLE4[condition]:
                lines.append([condition, f"*{name}, paper*", *theirs])
    note = "The paper's rows are of WSJ0-2mix. SI-SDR and SI-SDRi in dB; PESQ narrow band."
    return table(header, lines, text_columns=2) + "\n\n" + note


def _measured(experiments: Sequence[Experiment], condition: str, system: str, group: str, metric: str) -> list[float]:
    """The score in every experiment that has it."""
    scores = (experiment.score(condition, system, group, metric) for experiment in experiments)
    return [score for score in scores if score is not None]


def _published(condition: str, system: str, group: str, metric: str) -> float | None:
    values = TABLE4[condition].get(system, {}).get(metric)
    return None if values is None else values[GROUPS.index(group)]

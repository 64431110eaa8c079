"""RESULTS.md: Table 4's layout, the gap, the PTL stages, the operation counts and the facts of the run.

Every number comes from a file of the experiment; what no file holds is left out or shown as a dash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spiking_tasnet.report.markdown import assumed_costs, difference, number, stage_table, table
from spiking_tasnet.report.run_facts import run_table, without_places
from spiking_tasnet.separation.report.results import GROUPS, Experiment, Summary

__all__ = ["DECIMALS", "METRIC_NAMES", "SYSTEM_NAMES", "TABLE_METRICS", "number", "results_markdown", "without_places"]

TABLE_CONDITIONS = ("closed", "open")  # the paper's order
SYSTEM_NAMES = {"mixture": "mixture", "ann": "ANN", "snn": "SNN"}
METRIC_NAMES = {
    "si_sdr": "SI-SDR",
    "si_sdr_i": "SI-SDRi",
    "sdr": "SDR",
    "sdr_i": "SDRi",
    "pesq": "PESQ",
    "stoi": "STOI",
}
DECIMALS = {"si_sdr": 1, "si_sdr_i": 1, "sdr": 1, "sdr_i": 1, "pesq": 2, "stoi": 3}
TABLE_METRICS = ("si_sdr", "si_sdr_i", "pesq", "stoi")
GROUP_NAMES = {"diff": "diff.", "same": "same", "overall": "overall"}

# Numbers published on WSJ0-2mix: condition -> system -> metric -> (different, same, overall).
Published = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
LAYER_COUNTS = ("macs_per_s", "synops_per_s", "neuron_updates_per_s")
FAILURES = {
    "unscored": "not scored (a silent reference, or audio that does not fit), left out of all means,",
    "sdr_failed": "too short for SDR, left out of its mean,",
    "pesq_failed": "no PESQ (P.862 found no speech), left out of its mean,",
    "stoi_failed": "no STOI (too little speech), left out of its mean,",
    "silent": "a silent estimate (-inf dB), left out of the means in dB,",
}


def results_markdown(experiment: Experiment, published: Published | None = None) -> str:
    """Write RESULTS.md of an experiment; `published` are the paper's rows of Table 4, which are labelled as such."""
    sections = [
        f"# Results of {experiment.folder.resolve().name}",
        f"Closed: dev set, talkers {experiment.closed_talkers}. Open: test set, talkers never heard. Means over "
        "mixtures, of the mean over their talkers; SI-SDR, SDR and their gains over the mixture in dB, PESQ narrow "
        "band.",
        headline(experiment),
        score_table(experiment, published),
        _remarks(experiment),
        "## Gap: SNN minus ANN",
        gap_table(experiment),
        "## BSS-eval SDR, overall",
        sdr_table(experiment),
        "## Progressive tandem learning, stage by stage",
        "SI-SDR on the dev set in dB: with the stage's layer still analog, right after its conversion, and at the best "
        "epoch of its stage, which is the state kept. Thresholds are in activation units.",
        stage_table(experiment.stages, lambda loss: number(None if loss is None else -loss, 2)),
        "![learning curves](curves.png)",
        "## Operations and energy",
        *cost_sections(experiment.cost),
        "## The run",
        run_table({SYSTEM_NAMES[system]: run for system, run in experiment.runs.items()}),
        "Listen: [demo/index.html](demo/index.html). The same numbers, unrounded: [results.json](results.json).",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def headline(experiment: Experiment) -> str:
    """The result in a sentence: gains over the mixture on talkers never heard, and what the spikes cost."""
    ann, snn = (experiment.results["open"][system] for system in ("ann", "snn"))
    gains = [number(system.get("overall", {}).get("si_sdr_i"), 2, sign=True) for system in (snn, ann)]
    sentence = f"On talkers never heard, the SNN gains {gains[0]} dB SI-SDR over the mixture and the ANN {gains[1]} dB"
    return f"**{sentence}: SNN minus ANN {_difference(snn, ann, 'overall', 'si_sdr')} dB.**"


def score(summary: Summary, group: str, metric: str) -> str:
    """Format one mean of a summary; a dash where the group or the metric is not there."""
    return number(summary.get(group, {}).get(metric), DECIMALS[metric])


def score_table(experiment: Experiment, published: Published | None = None) -> str:
    """Table 4's layout: closed and open, mixture, ANN and SNN, by gender group."""
    header = ["condition", "system", *(f"{METRIC_NAMES[m]} {GROUP_NAMES[g]}" for m in TABLE_METRICS for g in GROUPS)]
    rows = []
    for condition in TABLE_CONDITIONS:
        for system, summary in experiment.results[condition].items():
            cells = [score(summary, group, metric) for metric in TABLE_METRICS for group in GROUPS]
            rows.append([condition, SYSTEM_NAMES[system], *cells])
            if published and system in published[condition]:
                theirs = published[condition][system]
                cells = [
                    number(theirs[metric][column] if metric in theirs else None, DECIMALS[metric])
                    for metric in TABLE_METRICS
                    for column in range(len(GROUPS))
                ]
                rows.append([condition, f"*{SYSTEM_NAMES[system]}, paper, WSJ0-2mix*", *cells])
    return table(header, rows, text_columns=2)


def gap_table(experiment: Experiment) -> str:
    """What the conversion costs: SNN minus ANN."""
    metrics = ("si_sdr", "pesq", "stoi")
    rows = []
    for condition in TABLE_CONDITIONS:
        ann, snn = (experiment.results[condition][system] for system in ("ann", "snn"))
        rows.append([condition, *(_difference(snn, ann, g, m) for m in metrics for g in GROUPS)])
    return table(["condition", *(f"{METRIC_NAMES[m]} {GROUP_NAMES[g]}" for m in metrics for g in GROUPS)], rows)


def sdr_table(experiment: Experiment) -> str:
    """BSS-eval SDR and its gain; empty when it was not scored."""
    rows = [
        [condition, SYSTEM_NAMES[system], score(summary, "overall", "sdr"), score(summary, "overall", "sdr_i")]
        for condition in TABLE_CONDITIONS
        for system, summary in experiment.results[condition].items()
    ]
    return table(["condition", "system", "SDR", "SDRi"], rows, text_columns=2)


def cost_sections(cost: dict[str, Any]) -> list[str]:
    """Operations and energy a second of audio, total and by layer."""
    total = cost.get("total", {})
    measured = f"Per second of audio, measured on {number(cost.get('n_mixtures'))} mixtures"
    measured += f" of `{cost['subset']}`" if "subset" in cost else ""
    if cost.get("audio_seconds") is not None:
        measured += f" ({number(cost['audio_seconds'], 0)} s)"
    measured += f", N_s = {cost['num_steps']}." if "num_steps" in cost else "."

    def cell(key: str, scale: float = 1.0, decimals: int = 2) -> str:
        return number(total[key] / scale if total.get(key) is not None else None, decimals)

    rows = [
        ["MACs (M)", cell("ann_macs_per_s", 1e6, 1), cell("snn_macs_per_s", 1e6, 1)],
        ["of these in the layers that spikes drive (M)", cell("separator_ann_macs_per_s", 1e6, 1), "–"],
        ["SynOps (M)", "–", cell("snn_synops_per_s", 1e6, 1)],
        ["neuron updates (M)", "–", cell("neuron_updates_per_s", 1e6, 1)],
        ["power proxy: SynOps + 10 x neuron updates (M)", "–", cell("power_proxy_per_s", 1e6, 1)],
        ["energy (mJ)", cell("ann_energy_j_per_s", 1e-3, 3), cell("snn_energy_j_per_s", 1e-3, 3)],
    ]
    ratios = (
        f"SynOps ratio (SNN SynOps to the ANN MACs of the layers that spikes drive): {cell('synops_ratio', 1, 3)}; "
        f"energy ratio (SNN to ANN): {cell('energy_ratio', 1, 3)}. "
        f"{assumed_costs(cost)}"
    )
    by_layer = [
        [str(layer.get("layer", "–")), str(layer.get("role", "–"))]
        + [number(None if layer.get(k) is None else layer[k] / 1e6, 2) for k in LAYER_COUNTS]
        + [number(layer.get("spikes_per_neuron"), 2)]
        for layer in cost.get("layers", [])
    ]
    layer_header = ["layer", "role", "MACs (M/s)", "SynOps (M/s)", "neuron updates (M/s)", "spikes a neuron"]
    sections = [measured, table(["", "ANN", "SNN"], rows), ratios]
    return [*sections, table(layer_header, by_layer, text_columns=2)] if by_layer else sections


def _remarks(experiment: Experiment) -> str:
    """How many mixtures each condition has, and what could not be measured."""
    remarks = []
    for condition in TABLE_CONDITIONS:
        counts = {group: summary["n"] for group, summary in experiment.results[condition]["mixture"].items()}
        names = (("diff", "different"), ("same", "same"))
        by_group = ", ".join(f"{counts[group]} {name}" for group, name in names if group in counts)
        remarks.append(f"{condition} {counts['overall']}" + (f" ({by_group} gender)" if by_group else ""))
    lines = ["Mixtures: " + "; ".join(remarks) + "."]
    for condition in TABLE_CONDITIONS:
        for system, summary in experiment.results[condition].items():
            overall = summary["overall"]
            for key, what in FAILURES.items():
                if overall[key]:
                    found = f"{overall[key]} of {overall['n']}"
                    lines.append(f"{condition}, {SYSTEM_NAMES[system]}: {what} in {found} mixtures.")
    return "\n".join(lines)


def _difference(first: Summary, second: Summary, group: str, metric: str) -> str:
    values = [summary.get(group, {}).get(metric) for summary in (first, second)]
    return difference(*values, DECIMALS[metric] + (metric == "si_sdr"))

"""RESULTS.md: Table 4's layout, the gap, the PTL stages, the operation counts and the facts of the run.

Every number comes from a file of the experiment; what no file holds is left out or shown as a dash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spiking_tasnet.report.markdown import assumed_costs, difference, number, stage_table, table
from spiking_tasnet.report.run_facts import run_table, without_places
from spiking_tasnet.separation.report.results import Experiment
from spiking_tasnet.separation.scores.cost import SetCost
from spiking_tasnet.separation.scores.means import GROUPS, Summary

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
    gains = [number(mean(system, "overall", "si_sdr_i"), 2, sign=True) for system in (snn, ann)]
    sentence = f"On talkers never heard, the SNN gains {gains[0]} dB SI-SDR over the mixture and the ANN {gains[1]} dB"
    return f"**{sentence}: SNN minus ANN {_difference(snn, ann, 'overall', 'si_sdr')} dB.**"


def mean(summary: Summary, group: str, metric: str) -> float | None:
    """Return one mean of a summary; None where the group or the metric is not there."""
    return summary[group].score(metric) if group in summary else None


def score(summary: Summary, group: str, metric: str) -> str:
    """Format one mean of a summary; a dash where the group or the metric is not there."""
    return number(mean(summary, group, metric), DECIMALS[metric])


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


def cost_sections(cost: SetCost) -> list[str]:
    """Operations and energy per second of audio, in total and by layer."""
    measured = f"Per second of audio, measured on {number(cost.n_mixtures)} mixtures"
    measured += f" of `{cost.subset}`" if cost.subset is not None else ""
    if cost.audio_seconds is not None:
        measured += f" ({number(cost.audio_seconds, 0)} s)"
    measured += f", N_s = {cost.num_steps}." if cost.num_steps is not None else "."
    total = cost.total
    rows = [
        ["MACs (M)", _scaled(total.ann_macs_per_s, 1e6, 1), _scaled(total.snn_macs_per_s, 1e6, 1)],
        ["of these in the layers that spikes drive (M)", _scaled(total.separator_ann_macs_per_s, 1e6, 1), "–"],
        ["SynOps (M)", "–", _scaled(total.snn_synops_per_s, 1e6, 1)],
        ["neuron updates (M)", "–", _scaled(total.neuron_updates_per_s, 1e6, 1)],
        ["power proxy: SynOps + 10 x neuron updates (M)", "–", _scaled(total.power_proxy_per_s, 1e6, 1)],
        ["energy (mJ)", _scaled(total.ann_energy_j_per_s, 1e-3, 3), _scaled(total.snn_energy_j_per_s, 1e-3, 3)],
    ]
    ratios = (
        f"SynOps ratio (SNN SynOps to the ANN MACs of the layers that spikes drive): {number(total.synops_ratio, 3)}; "
        f"energy ratio (SNN to ANN): {number(total.energy_ratio, 3)}. "
        f"{assumed_costs(cost.assumed)}"
    )
    by_layer = [
        [layer.layer or "–", layer.role or "–"]
        + [_scaled(count, 1e6, 2) for count in (layer.macs_per_s, layer.synops_per_s, layer.neuron_updates_per_s)]
        + [number(layer.spikes_per_neuron, 2)]
        for layer in cost.layers
    ]
    layer_header = ["layer", "role", "MACs (M/s)", "SynOps (M/s)", "neuron updates (M/s)", "spikes per neuron"]
    sections = [measured, table(["", "ANN", "SNN"], rows), ratios]
    return [*sections, table(layer_header, by_layer, text_columns=2)] if by_layer else sections


def _scaled(value: float | None, unit: float, decimals: int) -> str:
    return number(None if value is None else value / unit, decimals)


def _remarks(experiment: Experiment) -> str:
    """How many mixtures each condition has, and what could not be measured."""
    remarks = []
    for condition in TABLE_CONDITIONS:
        counts = {group: means.n for group, means in experiment.results[condition]["mixture"].items()}
        names = (("diff", "different"), ("same", "same"))
        by_group = ", ".join(f"{counts[group]} {name}" for group, name in names if group in counts)
        remarks.append(f"{condition} {counts['overall']}" + (f" ({by_group} gender)" if by_group else ""))
    lines = ["Mixtures: " + "; ".join(remarks) + "."]
    for condition in TABLE_CONDITIONS:
        for system, summary in experiment.results[condition].items():
            overall = summary["overall"]
            for key, what in FAILURES.items():
                count = getattr(overall, key)
                if count:
                    found = f"{count} of {overall.n}"
                    lines.append(f"{condition}, {SYSTEM_NAMES[system]}: {what} in {found} mixtures.")
    return "\n".join(lines)


def _difference(first: Summary, second: Summary, group: str, metric: str) -> str:
    means = (mean(summary, group, metric) for summary in (first, second))
    return difference(*means, decimals=DECIMALS[metric] + (metric == "si_sdr"))

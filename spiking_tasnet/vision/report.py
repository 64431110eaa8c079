"""The report of a vision experiment: RESULTS.md, results.csv and the learning curves (stage 5).

Every number comes from a file of the experiment; a number that no file holds is left out or shown as a dash.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiking_tasnet.config import read_config
from spiking_tasnet.files import read_json, write_text
from spiking_tasnet.report.history import read_history
from spiking_tasnet.report.markdown import assumed_costs, difference, number, stage_table, table
from spiking_tasnet.report.run_facts import run_facts_by_row
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.corpora import Corpus, read_corpus
from spiking_tasnet.vision.curves import write_curves
from spiking_tasnet.vision.methods import METHODS

logger = logging.getLogger(__name__)
TOTALS = (  # of a network's cost per image, in the order of results.csv
    "ann_macs",
    "snn_macs",
    "synops",
    "driven_macs",
    "synops_ratio",
    "neuron_updates",
    "power_proxy",
    "ann_energy_j",
    "snn_energy_j",
    "energy_ratio",
)
MEGA, MICRO = 1e6, 1e-6


@dataclass(frozen=True)
class Experiment:
    """Everything that the report shows.

    Attributes:
        folder: exp/NAME.
        corpus: what stage 0 wrote.
        config: of PTL, or of the first tested method if PTL was not tested.
        results: method -> its entry of results.json, in the order of `METHODS`.
        runs: method -> run.json.
        histories: trained method -> rows of history.csv.
        stages: entries of PTL's stages.json.
    """

    folder: Path
    corpus: Corpus
    config: Config
    results: dict[str, dict[str, Any]]
    runs: dict[str, dict[str, Any]]
    histories: dict[str, list[dict[str, float]]]
    stages: list[dict[str, Any]]

    @property
    def reconstruct(self) -> bool:
        """Whether the network reconstructs images instead of classifying them."""
        return self.config.model.reconstructs


def write_report(data_dir: Path, exp_dir: Path) -> list[Path]:
    """Write the report of an experiment into its folder.

    Args:
        data_dir: what stage 0 made.
        exp_dir: what stages 1 to 4 left, with at least one method tested.

    Returns:
        The files written.

    Raises:
        FileNotFoundError: an input is missing; the message says which stage makes it.
        ValueError: an input is damaged.
    """
    experiment = load_experiment(data_dir, exp_dir)
    written = [exp_dir / name for name in ("RESULTS.md", "results.csv", "curves.png")]
    write_text(written[1], results_csv(experiment))
    with_curves = write_curves(written[2], experiment.histories, experiment.stages, experiment.config)
    write_text(written[0], results_markdown(experiment, with_curves))
    return written if with_curves else written[:2]


def load_experiment(data_dir: Path, exp_dir: Path) -> Experiment:
    """Read what stages 0 to 4 left; errors as `write_report`."""
    corpus = read_corpus(data_dir)
    found = _needed(exp_dir / "results.json", "stage 4 (vision-test)")
    if not isinstance(found, dict) or not found or not set(found) <= set(METHODS):
        raise ValueError(f"{exp_dir / 'results.json'}: results of our methods expected; run stage 4 again")
    results = {method: found[method] for method in METHODS if method in found}
    for method in METHODS:
        if method not in results and (exp_dir / method / "model.pt").is_file():
            logger.warning("%s was trained but not tested: run stage 4 again to have it in the report", method)
    stage = "the stage that trains it (1 to 3)"
    runs = {method: _needed(exp_dir / method / "run.json", stage) for method in results}
    histories = {
        method: read_history(exp_dir / method / "history.csv", stage)
        for method in results
        if runs[method].get("epochs")
    }
    stages = _needed(exp_dir / "ptl" / "stages.json", "stage 2") if "ptl" in results else []
    config = read_config(Config, exp_dir / ("ptl" if "ptl" in results else next(iter(results))) / "config.yaml")
    return Experiment(exp_dir, corpus, config, results, runs, histories, stages)


def results_markdown(experiment: Experiment, with_curves: bool = True) -> str:
    """RESULTS.md of an experiment."""
    corpus, model = experiment.corpus, experiment.config.model
    size = "x".join(str(length) for length in corpus.image)
    width = "" if model.width == 1 else f" ({model.width:g} times its channels)"
    stages = [
        "## Progressive tandem learning, stage by stage",
        f"{'MSE' if experiment.reconstruct else 'Cross-entropy'} on the validation images: with the stage's layer "
        "still analog, right after its conversion, and at the best epoch of its stage, which is the state kept. "
        "Thresholds are in activation units.",
        stage_table(experiment.stages, lambda loss: number(loss, 5 if experiment.reconstruct else 4)),
    ]
    sections = [
        f"# Results of {experiment.folder.resolve().name}",
        f"Network `{model.network}`{width} on {corpus.corpus} ({size} pixels, {corpus.counts[0]:,} training and "
        f"{corpus.counts[1]:,} test images). Epochs were chosen on {100 * experiment.config.data.val_part:g} % of the "
        "training images, kept for validation; the test set was read once, at the end.",
        headline(experiment),
        score_table(experiment),
        _remarks(experiment),
        *([rate_table(experiment)] if "curve" in experiment.results.get("rate", {}) else []),
        *(["![learning curves](curves.png)"] if with_curves else []),
        *(stages if experiment.stages else []),
        "## Operations and energy",
        *cost_sections(experiment),
        "## The run",
        *run_sections(experiment),
        "The same numbers, unrounded: [results.csv](results.csv), and by layer `results.json`.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def headline(experiment: Experiment) -> str:
    """The result in one sentence; empty unless both the ANN and PTL were tested."""
    ann, ptl = (experiment.results.get(method) for method in ("ann", "ptl"))
    if ann is None or ptl is None:
        return ""
    if experiment.reconstruct:
        found = f"an MSE of {number(ptl['mse'], 5)}, {number(ptl['mse'] / ann['mse'], 2)} times the ANN's"
        return f"**PTL reconstructs the test images with N_s = {ptl['num_steps']} at {found} {number(ann['mse'], 5)}.**"
    gap = difference(100 * ptl["top1"], 100 * ann["top1"], 2)
    return (
        f"**PTL names {number(100 * ptl['top1'], 2)} % of the test images with N_s = {ptl['num_steps']}, the ANN "
        f"{number(100 * ann['top1'], 2)} %: {gap} points.**"
    )


def score_table(experiment: Experiment) -> str:
    """One row per method: its score, the difference to the ANN, and what its training took."""
    ann = experiment.results.get("ann", {})
    rows = []
    for method, found in experiment.results.items():
        if experiment.reconstruct:
            same = method != "ann" and ann
            scores = [number(found["mse"], 5), number(found["mse"] / ann["mse"], 2) if same else "–"]
        else:
            gap = None if method == "ann" or not ann else 100 * ann["top1"]
            scores = [number(100 * found["top1"], 2), number(100 * found["top5"], 2)]
            scores.append(difference(100 * found["top1"], gap, 2))
        effort = [number(found["epochs"] or None), number(found["hours"], 2) if found["epochs"] else "–"]
        steps = number(found["num_steps"] or None)
        rows.append([METHODS[method].label, METHODS[method].description, steps, *scores, *effort])
    scores_shown = (
        ["MSE", "times the ANN's"] if experiment.reconstruct else ["top-1 (%)", "top-5 (%)", "minus ANN (points)"]
    )
    return table(["", "method", "N_s", *scores_shown, "epochs", "hours"], rows, text_columns=2)


def rate_table(experiment: Experiment) -> str:
    """Scores of rate coding by number of steps: at each doubling, and at the end."""
    curve = experiment.results["rate"]["curve"]
    chosen = [point for n, point in enumerate(curve, 1) if n & (n - 1) == 0 or n == len(curve)]
    name, decimals, scale = ("mse", 5, 1) if experiment.reconstruct else ("top1", 2, 100)
    header = ["rate coding, steps", *(number(point["num_steps"]) for point in chosen)]
    cells = [number(scale * point[name], decimals) for point in chosen]
    return table(header, [["MSE" if experiment.reconstruct else "top-1 (%)", *cells]])


def cost_sections(experiment: Experiment) -> list[str]:
    """Operations and energy per image: in total, by layer of the PTL network, and firing rates of every method."""
    rows = []
    for method, found in experiment.results.items():
        total = found["cost"]["total"]
        ann = method == "ann"
        driven = [number(total["synops"] / MEGA, 3), number(total["synops_ratio"], 3)]
        driven += [number(total[key] / MEGA, 3) for key in ("neuron_updates", "power_proxy")]
        energy = [number(total["ann_energy_j" if ann else "snn_energy_j"] / MICRO, 2)]
        macs = number(total["ann_macs" if ann else "snn_macs"] / MEGA, 3)
        cells = [macs, *(["–"] * 4 if ann else driven), *energy, "–" if ann else number(total["energy_ratio"], 3)]
        rows.append([METHODS[method].label, *cells])
    header = ["per image", "MACs (M)", "SynOps (M)", "SynOps ratio", "neuron updates (M)", "power proxy (M)"]
    assumptions = (
        "MACs of an SNN are those of the layers that spikes do not drive. The SynOps ratio sets SynOps against the ANN "
        "MACs of the layers that spikes drive; the power proxy is SynOps + 10 x neuron updates; energy includes the "
        f"MACs. {assumed_costs(next(iter(experiment.results.values()))['cost'])}"
    )
    sections = [assumptions, table([*header, "energy (µJ)", "times the ANN's"], rows)]
    spiking = [method for method in experiment.results if method != "ann"]
    if spiking:
        sections += [layer_table(spiking[0], experiment.results[spiking[0]]["cost"]["layers"])]
    return [*sections, firing_table(experiment, spiking)] if len(spiking) > 1 else sections


def layer_table(method: str, layers: Sequence[Mapping[str, Any]]) -> str:
    """Operations of each layer per image."""
    rows = [
        [layer["layer"], layer["role"], number(layer["macs"] / MEGA, 3), number(layer["synops"] / MEGA, 3)]
        + [number(layer["spikes_per_neuron"], 2), f"{100 * layer['firing_rate']:.1f}"]
        for layer in layers
    ]
    header = [
        f"layer ({METHODS[method].label})",
        "role",
        "ANN MACs (M)",
        "SynOps (M)",
        "spikes per neuron",
        "firing rate (%)",
    ]
    return table(header, rows, text_columns=2)


def firing_table(experiment: Experiment, methods: Sequence[str]) -> str:
    """Firing rates of every layer by every method: spikes per neuron and step, in %."""
    rates = {
        method: {layer["layer"]: layer for layer in experiment.results[method]["cost"]["layers"]} for method in methods
    }
    names = dict.fromkeys(name for layers in rates.values() for name in layers)
    rows = []
    for name in names:
        found = [rates[method].get(name) for method in methods]
        if any(layer and layer["neuron_updates"] for layer in found):
            rows.append([name, *(number(100 * layer["firing_rate"] if layer else None, 1) for layer in found)])
    return table(["firing rate (%)", *(METHODS[method].label for method in methods)], rows)


def run_sections(experiment: Experiment) -> list[str]:
    """How the results came about; facts that all runs share appear once."""
    runs = {METHODS[method].label: run for method, run in experiment.runs.items()}
    facts = run_facts_by_row(runs)
    shared = {label: cells[0] for label, cells in facts.items() if len(set(cells)) == 1}
    commands = facts.pop("command", [])
    own = [[name, *cells] for name, *cells in zip(runs, *(facts[f] for f in facts if f not in shared), strict=True)]
    header = ["", *(label for label in facts if label not in shared)]
    sections = [table(["", "all runs"], [[label, cell] for label, cell in shared.items() if label != "command"], 2)]
    if len(header) > 1:
        sections.append(table(header, own, text_columns=len(header)))
    by_run = "\n".join(f"- {name}: {command}" for name, command in zip(runs, commands, strict=False))
    return [*sections, by_run]


def results_csv(experiment: Experiment) -> str:
    """One row per method: its scores and the totals of its cost per image."""
    scores = ("mse",) if experiment.reconstruct else ("top1", "top5")
    header = ["method", "num_steps", *scores, "images", "epochs", "hours", *TOTALS]
    text = io.StringIO()
    writer = csv.DictWriter(text, header, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for method, found in experiment.results.items():
        writer.writerow(found | found["cost"]["total"] | {"method": method})
    return text.getvalue()


def _remarks(experiment: Experiment) -> str:
    """Settings and limits that the table of scores does not show."""
    ptl, remarks = experiment.config.ptl, []
    if "ptl" in experiment.results:
        settings = [f"T_p = {ptl.patience}", f"thresholds at the {ptl.percentile:g}th percentile"]
        if ptl.encoding == "spread":
            settings.append("the first layer's spikes spread over the window")
        if ptl.firing == "phased":
            settings.append("neurons that integrate a whole window before they fire")
        if ptl.weight_bits:
            settings.append(f"weights and biases of {ptl.weight_bits} bits, one scale per {_scale(ptl.per_channel)}")
        if ptl.fan_in:
            settings.append(f"at most {ptl.fan_in} inputs per neuron")
        remarks.append(f"PTL: {', '.join(settings)}; its epochs and hours come on top of the ANN's.")
    given: dict[int, list[str]] = {}  # count -> methods
    for method, found in experiment.results.items():
        given.setdefault(found["images"], []).append(METHODS[method].label)
    for count, names in given.items():
        if count < experiment.corpus.counts[1]:
            remarks.append(f"Of the test images only {number(count)} were given to {', '.join(names)}.")
    return " ".join(remarks)


def _scale(per_channel: bool) -> str:
    return "channel" if per_channel else "layer"


def _needed(path: Path, stage: str) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; {stage} makes it")
    return read_json(path)

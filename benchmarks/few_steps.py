"""What each option of the conversion is worth, by the number of steps: a table of N_s x option, one ANN, one budget.

python -m benchmarks.few_steps --config recipes/talkers/conf/real.yaml --ann FILE --data DIR --out DIR
    [--num-steps 32 8 4] [--option NAME] [--batches 8] [--joint 10] [--limit 60] [--dev 20] [--threads 1]

Every row is a whole conversion by PTL with the same seed: one epoch of `--batches` batches for each layer. Each option
is added to the paper's rule alone; "phased, ..." has three of them, "all of them" has them together. Only the last
stage, which trains all layers together, has more batches than the others: `--joint` epochs. SI-SDRi, spikes, operations
and energy are those of `--limit` open mixtures, spread over DIR/tt. Rows that are there already (OUT/rows) are not made
again.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.model_figures import spikes_per_neuron, spread
from spiking_tasnet.config import read_config
from spiking_tasnet.files import read_json, write_json
from spiking_tasnet.report.markdown import number, table
from spiking_tasnet.separation.config import Config
from spiking_tasnet.separation.corpora.kaldi import read_data_dir, write_data_dir
from spiking_tasnet.separation.scores.means import summarise
from spiking_tasnet.separation.scores.score_set import score_set
from spiking_tasnet.separation.separate_set import separate_set
from spiking_tasnet.separation.train import convert_ann

PAPER, ALL = "the paper's rule", "all of them but the percentile, the gradient and spread"
THREE, FEW_BITS = "phased, V[0] = theta / 2, per channel", "the same, 8-bit weights"
OF_THREE = ("V[0] = theta / 2", "thresholds per channel", "phased firing")
LEFT_OUT = ("percentile 99.99", "no gradient where saturated", "encoding spread")


def rows_of(joint: int) -> dict[str, list[str]]:
    """Settings of each row of the table; the last stage has `joint` epochs."""
    options = {
        "V[0] = theta / 2": ["ptl.v_init=0.5"],
        "encoding spread": ["ptl.encoding=spread"],
        "thresholds per channel": ["ptl.channel_wise=true"],
        "percentile 99.99": ["ptl.percentile=99.99"],
        "no gradient where saturated": ["ptl.clip_saturated_gradient=true"],
        "distillation": ["snn.distil=300"],
        "price on spikes": ["snn.spike_penalty=2.5"],
        "all layers together at the end": ["ptl.joint_lr=0.0002", f"ptl.joint_epochs={joint}"],
        "phased firing": ["ptl.firing=phased"],
    }
    three = [setting for name in OF_THREE for setting in options[name]]
    few_bits = [*three, "ptl.weight_bits=8", "ptl.per_channel=true"]
    together = [setting for name, settings in options.items() if name not in LEFT_OUT for setting in settings]
    return {PAPER: [], **options, THREE: three, FEW_BITS: few_bits, ALL: together}


def measure(args: argparse.Namespace, num_steps: int, settings: list[str], folder: Path) -> dict[str, Any]:
    """Convert, separate and score: one row."""
    budget = [
        *(f"ptl.num_steps={num_steps}", f"snn.batches_per_epoch={args.batches}", f"data.limit_dev={args.dev}"),
        *("ptl.patience=1", "ptl.max_epochs_per_stage=1", "ptl.anneal=true", "snn.max_epochs=200"),
    ]
    config = read_config(Config, args.config, [*budget, *settings])
    model = convert_ann(config, args.data, folder, args.ann)
    costs = folder / "cost.json"
    gain = _gain(args, model, folder / "separated", costs)
    cost = read_json(costs)
    return {"gain": gain, "spikes": spikes_per_neuron(cost), **cost["total"]}


def _gain(args: argparse.Namespace, model: Path, estimates: Path, cost_file: Path | None, ann: bool = False) -> float:
    """Mean SI-SDRi in dB over the mixtures of the table."""
    mixtures = args.out / "mixtures"
    separate_set(mixtures, model, estimates, cost_file, ann=ann)
    gain = summarise(score_set(mixtures, estimates, ("si_sdr",), 1))["overall"].score("si_sdr_i")
    assert gain is not None, "no mixture was scored"
    return gain


def tables(rows: dict[int, dict[str, dict[str, Any]]], ann: float) -> str:
    """The table as Markdown: a block per N_s, of which rows that were not made are left out."""
    header = ["N_s", "option", "SNN - ANN, dB", "spikes per neuron", "SynOps per MAC", "energy / ANN"]
    lines = [
        [
            *(str(num_steps), name, number(row["gain"] - ann, 2, sign=True), number(row["spikes"], 2)),
            *(number(row["synops_ratio"], 2), number(row["energy_ratio"], 2)),
        ]
        for num_steps, found in rows.items()
        for name, row in found.items()
    ]
    return table(header, lines, text_columns=2)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, metavar="YAML", help="of the ANN's training")
    parser.add_argument("--ann", type=Path, required=True, metavar="FILE", help="model.pt or a packed file")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="what stage 0 made")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--num-steps", type=int, nargs="+", default=[32, 8, 4], metavar="N")
    parser.add_argument("--option", action="append", metavar="NAME", help="a row to make; may be repeated")
    parser.add_argument("--batches", type=int, default=8, metavar="N", help="per stage (default: %(default)s)")
    parser.add_argument("--joint", type=int, default=10, metavar="N", help="epochs (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=60, metavar="N", help="open mixtures (default: %(default)s)")
    parser.add_argument("--dev", type=int, default=20, metavar="N", help="dev mixtures (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    args = parser.parse_args(words)
    if unknown := {*(args.option or ())} - rows_of(1).keys():
        parser.error(f"--option {unknown.pop()}: one of {', '.join(rows_of(1))} expected")
    return args


def main() -> None:
    """Make the rows that are missing, and print the table."""
    args = parse()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    write_data_dir(args.out / "mixtures", spread(read_data_dir(args.data / "tt"), args.limit))
    ann = _gain(args, args.ann, args.out / "ann", None, ann=True)
    rows: dict[int, dict[str, dict[str, Any]]] = {}
    for num_steps in args.num_steps:
        for place, (name, settings) in enumerate(rows_of(args.joint).items()):
            if args.option and name not in args.option:
                continue
            kept = args.out / "rows" / f"{num_steps}_{place}.json"
            if not kept.is_file():
                row = measure(args, num_steps, settings, args.out / f"{num_steps}_{place}")
                write_json(kept, {"num_steps": num_steps, "option": name} | row)
            rows.setdefault(num_steps, {})[name] = read_json(kept)
            print(tables({num_steps: {name: rows[num_steps][name]}}, ann).splitlines()[-1], flush=True)
    print(f"\nANN: {ann:+.2f} dB\n\n{tables(rows, ann)}")


if __name__ == "__main__":
    main()

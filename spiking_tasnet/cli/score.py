"""`spiking-tasnet score`: stage 4."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spiking_tasnet.separation.metrics import METRICS
from spiking_tasnet.separation.score import count_failures, score_set, write_scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="Kaldi data folder with the references")
    parser.add_argument(
        "--est", required=True, metavar="DIR", help="folder of s1/ and s2/; 'mixture' scores the mixture itself"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="CSV", help="file to write, one line a mixture")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes; default: one a core")
    parser.add_argument(
        "--metrics", default=",".join(METRICS), help="comma-separated, default %(default)s; si_sdr is always scored"
    )


def run(args: argparse.Namespace) -> int:
    """Score, write the CSV and print the means."""
    metrics = [name.strip() for name in args.metrics.split(",") if name.strip()]
    rows = score_set(args.data, None if args.est == "mixture" else args.est, metrics, args.jobs)
    write_scores(args.out, rows)
    # Read back what was written: the means below are those the report will show.
    from spiking_tasnet.separation.results import read_scores, summarise

    overall = summarise(read_scores(args.out))["overall"]
    shown = [f"{name} {overall[name]:.2f}" for name in overall if isinstance(overall[name], float)]
    print(f"{args.out}: {len(rows)} mixtures, mean {', '.join(shown)}")
    failures = count_failures(rows)
    for name, what in (("pesq", "PESQ found no speech"), ("stoi", "too little speech for STOI")):
        if failures[name]:
            print(f"warning: {what} in {failures[name]} of {len(rows)} mixtures; left out of the mean", file=sys.stderr)
    if failures["silent"]:
        print(
            f"warning: an estimate is silent in {failures['silent']} of {len(rows)} mixtures (-inf dB); "
            "left out of the means, counted in the report",
            file=sys.stderr,
        )
    return 0

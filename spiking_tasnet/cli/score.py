"""`spiking-tasnet score`: stage 4."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.cli.console import say, tell
from spiking_tasnet.cli.options import add_allow_pipes, add_part, add_subset, read_part
from spiking_tasnet.part import files_of_parts
from spiking_tasnet.separation.scores.means import summarise
from spiking_tasnet.separation.scores.metrics import METRICS
from spiking_tasnet.separation.scores.rows import SCORES, ScoreRow, count_failures, read_scores, write_scores
from spiking_tasnet.separation.scores.score_set import lost_mixtures, score_set

FAILURES = {
    "pesq": "PESQ found no speech",
    "stoi": "too little speech for STOI",
    "sdr": "too short for SDR",
    "silent": "an estimate is silent",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_subset(parser, "Kaldi data folder with the references, e.g. data/tt")
    parser.add_argument(
        "--est",
        required=True,
        metavar="DIR",
        help="folder of estimates: s1/UTT.wav and s2/UTT.wav, UTT_s1.wav, spk1.scp, ..., WAV or FLAC; 'mixture' scores "
        "the mixture itself",
    )
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="CSV",
        help="CSV to write, one line per mixture. Finished lines are kept in CSV.rows, from which an interrupted "
        "command continues",
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: one per core)")
    parser.add_argument(
        "--metrics", default=",".join(METRICS), help="comma-separated (default: %(default)s); si_sdr is always scored"
    )
    add_allow_pipes(parser)
    add_part(parser, "writes the CSV of all rows")


def run(args: argparse.Namespace) -> int:
    """Score, write the CSV and print the means."""
    if args.out.is_dir():
        raise ValueError(f"--out {args.out}: a folder found, the CSV to write expected")
    metrics = [name.strip() for name in args.metrics.split(",") if name.strip()]
    est_dir, kept = None if args.est == "mixture" else args.est, args.out.with_name(f"{args.out.name}.rows")
    part = read_part(args)
    rows = score_set(args.subset, est_dir, metrics, args.jobs, keep=kept, allow_pipes=args.allow_pipes, part=part)
    if part:
        say(f"part {part}: {len(rows)} mixtures in {part.own_file(kept)}; without --part the command writes {args.out}")
        return _tell_lost(rows)
    write_scores(args.out, rows)
    # Read back what was written: the means below are those the report will show.
    overall = summarise(read_scores(args.out))["overall"]
    means = {name: overall.score(name) for name in SCORES}
    shown = [f"{name} {value:.2f}" for name, value in means.items() if value is not None]
    unscored = f" ({overall.unscored} not scored)" if overall.unscored else ""
    say(f"{args.out}: {len(rows)} mixtures{unscored}, mean {', '.join(shown)}")
    for name, count in count_failures(rows).items():
        if count:
            level = " (-inf dB)" if name == "silent" else ""
            tell(f"warning: {FAILURES[name]} in {count} of {len(rows)} mixtures{level}; left out of the mean")
    if code := _tell_lost(rows):
        return code
    for file in [kept, *files_of_parts(kept)]:
        file.unlink(missing_ok=True)
    return 0


def _tell_lost(rows: list[ScoreRow]) -> int:
    """Name the mixtures at which a process died; the exit code."""
    lost = lost_mixtures(rows)
    if lost:
        name, reason = next(iter(lost.items()))
        tell(
            f"spiking-tasnet score: error: {len(lost)} of {len(rows)} mixtures lost, the first {name}: {reason}; the "
            "same command scores only them again"
        )
    return 1 if lost else 0

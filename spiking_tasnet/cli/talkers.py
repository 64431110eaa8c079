"""`spiking-tasnet talkers`: stage 0 from a folder of talkers."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.cli.options import add_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `talkers`."""
    parser.add_argument(
        "--talkers",
        type=Path,
        required=True,
        metavar="DIR",
        help="single-talker recordings, one folder per talker; mix_2_spk_{cv,tt}.txt in it are dev and test",
    )
    parser.add_argument(
        "--extra",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="more talkers, for training only; what the lists in it name is left out; may be repeated",
    )
    parser.add_argument("--noise", type=Path, metavar="DIR", help="folder of noise recordings to train with")
    add_data(parser, "data folder to make: talkers/, lists/, cv, tt")
    parser.add_argument(
        "--sample-rate", type=int, default=8000, metavar="HZ", help="sample rate of the network (default 8000)"
    )
    parser.add_argument(
        "--dev-mixtures", type=int, default=300, metavar="N", help="mixtures of a drawn dev list (default 300)"
    )
    parser.add_argument(
        "--test-mixtures", type=int, default=300, metavar="N", help="mixtures of a drawn test list (default 300)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the drawn lists (default 0)")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: one per core)")


def run(args: argparse.Namespace) -> None:
    """Prepare."""
    from spiking_tasnet.separation.corpora.talkers import TalkersSpec, build_talkers

    if min(args.dev_mixtures, args.test_mixtures) < 1:
        raise ValueError("--dev-mixtures and --test-mixtures of at least 1 expected")
    build_talkers(
        TalkersSpec(
            talkers=args.talkers,
            data_dir=args.data_dir,
            extra=tuple(args.extra),
            noise=args.noise,
            sample_rate=args.sample_rate,
            dev_mixtures=args.dev_mixtures,
            test_mixtures=args.test_mixtures,
            seed=args.seed,
        ),
        args.jobs,
    )

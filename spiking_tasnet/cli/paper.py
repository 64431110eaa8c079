"""Make a table or figure of the paper: its trainings, a picture and a CSV."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.cli.experiment import add_options, prepare

OPTIONS = ("bits", "num_steps", "patiences", "networks")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from spiking_tasnet.paper import EXHIBITS

    told = "; ".join(f"{name}: {exhibit.told}" for name, exhibit in EXHIBITS.items())
    parser.add_argument("name", metavar="NAME", choices=EXHIBITS, help=told)
    add_options(parser)
    parser.add_argument(
        "--out", type=Path, required=True, help="gets NAME.png, NAME.csv and runs/, which all tables and figures share"
    )
    parser.add_argument("--seeds", type=integers, metavar="N,...", help="several, with commas (default: the one seed)")
    parser.add_argument("--bits", type=integers, metavar="N,...", help="table2: of weights; 0 is float")
    parser.add_argument("--num-steps", type=integers, metavar="N,...", help="table3, fig6: N_s; fig4: one N_s")
    parser.add_argument("--patiences", type=integers, metavar="N,...", help="fig6: T_p, epochs")
    parser.add_argument("--networks", type=words, metavar="NAME,...", help="fig4: by depth")


def run(args: argparse.Namespace) -> None:
    """Make it and print its table."""
    from spiking_tasnet.vision.config import Config

    config = prepare(args, Config)
    from spiking_tasnet.paper import make

    chosen = {name: value for name in OPTIONS if (value := getattr(args, name)) is not None}
    print(make(args.name, config, args.data, args.out, args.seeds or (config.seed,), chosen))
    print(f"\n{args.out / args.name}.png and .csv")


def words(text: str) -> tuple[str, ...]:
    """Words with commas between, at least one."""
    found = tuple(word.strip() for word in text.split(",") if word.strip())
    if not found:
        raise argparse.ArgumentTypeError("nothing found, a list with commas expected")
    return found


def integers(text: str) -> tuple[int, ...]:
    """Integers with commas between, at least one."""
    try:
        return tuple(int(word) for word in words(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} found, integers with commas expected, e.g. 0,1,2") from None

"""Make a table or figure of the paper: its trainings, a picture and a CSV."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.cli.experiment import add_options, prepare
from spiking_tasnet.paper.exhibits import DESCRIPTIONS, TABLE4

OPTIONS = ("bits", "num_steps", "patiences", "networks")
TRAININGS = ("config", "data", "set", "seed", "seeds", *OPTIONS)  # of exhibits that train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    names = "; ".join(f"{name}: {description}" for name, description in DESCRIPTIONS.items())
    parser.add_argument("name", metavar="NAME", choices=DESCRIPTIONS, help=names)
    add_options(parser, data_required=False)
    parser.add_argument(
        "--exp", type=Path, nargs="+", metavar="DIR", help="table4: finished separation experiments, one per seed"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="gets NAME.png, NAME.csv and runs/, which all tables and figures share"
    )
    parser.add_argument("--seeds", type=integers, metavar="N,...", help="several, with commas (default: the one seed)")
    parser.add_argument("--bits", type=integers, metavar="N,...", help="table2: bits per weight; 0 is float")
    parser.add_argument("--num-steps", type=integers, metavar="N,...", help="table3, fig6: N_s; fig4: one N_s")
    parser.add_argument("--patiences", type=integers, metavar="N,...", help="fig6: T_p, epochs")
    parser.add_argument("--networks", type=words, metavar="NAME,...", help="fig4: networks of increasing depth")
    parser.set_defaults(refuse=parser.error)


def run(args: argparse.Namespace) -> None:
    """Make it and print its table."""
    print(_table4(args) if args.name == TABLE4 else _exhibit(args))
    print(f"\n{args.out / args.name}.png and .csv")


def _exhibit(args: argparse.Namespace) -> str:
    data: Path = args.data or args.refuse("the following arguments are required: --data")
    if args.exp:
        raise ValueError(f"--exp found, which {args.name} does not have; it trains on --data by --config")
    from spiking_tasnet.vision.config import Config

    config = prepare(args, Config)
    from spiking_tasnet.paper.make import make

    chosen = {name: value for name in OPTIONS if (value := getattr(args, name)) is not None}
    return make(args.name, config, data, args.out, args.seeds or (config.seed,), chosen)


def _table4(args: argparse.Namespace) -> str:
    if not args.exp:
        args.refuse("the following arguments are required: --exp")
    for name in TRAININGS:
        if getattr(args, name) not in (None, []):
            option = name.replace("_", "-")
            raise ValueError(f"--{option} found, which {TABLE4} does not have; it reads finished experiments, --exp")
    from spiking_tasnet.paper.make import make_table4

    return make_table4(args.exp, args.out)


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

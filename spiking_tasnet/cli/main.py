"""`spiking-tasnet COMMAND`: one thin module a command, errors as one line, exit code not zero."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import warnings

from spiking_tasnet import __version__
from spiking_tasnet.cli.console import one_line, prepare, tell

# command -> (module of this package, one-line help)
COMMANDS = {
    "mix": ("mix", "build two-talker mixtures and Kaldi data folders from a corpus and MERL lists"),
    "mix-librimix": ("mix_librimix", "build Libri2Mix and Kaldi data folders from LibriSpeech and LibriMix's metadata"),
    "train": ("train", "train the ANN"),
    "convert": ("convert", "convert the trained ANN to spikes by progressive tandem learning"),
    "separate-set": ("separate_set", "separate every mixture of a Kaldi data folder"),
    "score": ("score", "score a folder of separations against a Kaldi data folder"),
    "report": ("report", "write RESULTS.md, results.json, the learning curves and the listening page"),
    "separate": ("separate", "separate your own recordings"),
    "vision-data": ("vision_data", "bring MNIST, CIFAR-10 or an ImageNet-like folder into one form"),
    "vision-train": ("vision_train", "train or convert an image network by one of the methods"),
    "vision-test": ("vision_test", "test every method of a vision experiment, and count operations"),
    "vision-report": ("vision_report", "write RESULTS.md, results.csv and curves.png of a vision experiment"),
    "paper": ("paper", "make a table or figure of the paper: picture and CSV"),
}


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Build the parser; only the module of `command` is imported, so `--help` stays quick."""
    parser = argparse.ArgumentParser(prog="spiking-tasnet", description=__doc__.split(":")[0])
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, help_text) in COMMANDS.items():
        sub = commands.add_parser(name, help=help_text, description=help_text)
        if name == command:
            implementation = importlib.import_module(f"spiking_tasnet.cli.{module}")
            implementation.add_arguments(sub)
            sub.set_defaults(run=implementation.run)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    A `ValueError`, `TypeError` or `OSError` is the user's to mend: it is printed as one line. Anything else is
    a bug of ours and keeps its traceback. `SPIKING_TASNET_DEBUG=1` shows every traceback.
    """
    prepare()
    argv = sys.argv[1:] if argv is None else argv
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)  # tips, hardware it lacks
    # Said by torchmetrics, which Lightning imports, on every start from Python 3.12 on.
    warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
    command = next((word for word in argv if word in COMMANDS), None)
    args = build_parser(command).parse_args(argv)
    try:
        return args.run(args) or 0
    except (ValueError, TypeError, OSError) as error:
        if os.environ.get("SPIKING_TASNET_DEBUG"):
            raise
        tell(f"spiking-tasnet {args.command}: error: {one_line(error)}")
        return 1
    except KeyboardInterrupt:
        tell(f"spiking-tasnet {args.command}: interrupted")
        return 130

"""`spiking-tasnet COMMAND`: one thin module a command, errors as one line, exit code not zero."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator

from spiking_tasnet import __version__
from spiking_tasnet.cli.streams import lenient_streams

# command -> (module of this package, one-line help)
COMMANDS = {
    "mix": ("mix", "build two-talker mixtures and Kaldi data folders from a corpus and MERL lists"),
    "mix-librimix": ("mix_librimix", "build Libri2Mix and Kaldi data folders from LibriSpeech and LibriMix's metadata"),
    "talkers": ("talkers", "prepare a folder of talkers: cache of training speech, lists and mixtures of dev and test"),
    "train": ("train", "train the ANN"),
    "convert": ("convert", "convert the trained ANN to spikes by progressive tandem learning"),
    "pack": ("pack", "pack a converted network and its ANN in one small file"),
    "separate-set": ("separate_set", "separate every mixture of a Kaldi data folder"),
    "score": ("score", "score a folder of separations against a Kaldi data folder"),
    "report": ("report", "write RESULTS.md, results.json, the learning curves and the listening page"),
    "separate": ("separate", "separate your own recordings"),
    "stream": ("stream", "separate what a microphone or a pipe gives while it comes"),
    "export": ("export", "write a converted separator to one file for the C runtime"),
    "page": ("page", "write one HTML file that separates recordings in a browser"),
    "vision-data": ("vision_data", "bring MNIST, CIFAR-10 or an ImageNet-like folder into one form"),
    "vision-train": ("vision_train", "train or convert an image network by one of the methods"),
    "vision-test": ("vision_test", "test every method of a vision experiment, and count operations"),
    "vision-report": ("vision_report", "write RESULTS.md, results.csv and curves.png of a vision experiment"),
    "run": ("run", "run the numbered stages of a recipe, as its run.sh does"),
    "config": ("config", "print every setting of an experiment, its default and meaning, as YAML"),
    "paper": ("paper", "make a table or figure of the paper: picture and CSV"),
}


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Build the parser; only the module of `command` is imported, so `--help` stays quick."""
    parser = argparse.ArgumentParser(prog="spiking-tasnet", description=(__doc__ or "").split(":")[0])
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
    """Run one command and return its exit code: 0, 1 for an error, 2 for wrong arguments, 130 for Ctrl-C.

    What is the user's to mend, a `ValueError`, `TypeError` or `OSError`, memory that does not suffice, a process that
    was killed or a package that does not load, is printed as one line. Anything else is a bug of ours and keeps its
    traceback. `SPIKING_TASNET_DEBUG=1` shows every traceback.
    """
    os.environ["PYTHONSAFEPATH"] = "1"  # processes started from here run no csv.py of the caller's folder either
    with lenient_streams() as stdout, noted_interrupt() as interrupted:
        code = _run(sys.argv[1:] if argv is None else argv, interrupted)
        stdout.flush()
        if stdout.fault is not None and not stdout.reader_gone and not code:
            print(f"spiking-tasnet: error: standard output: {stdout.fault}; what it printed is lost", file=sys.stderr)
            code = 1
        return code


def _run(argv: list[str], interrupted: list[int]) -> int:
    name = "spiking-tasnet"
    try:
        _quiet()
        command = next((word for word in argv if word in COMMANDS), None)
        args = build_parser(command).parse_args(argv)
        name = f"spiking-tasnet {args.command}"
        return args.run(args) or 0
    except BaseException as error:
        # Some packages make an error of their own of a Ctrl-C while they are imported.
        if isinstance(error, KeyboardInterrupt) or (interrupted and isinstance(error, Exception)):
            print(f"{name}: interrupted", file=sys.stderr)
            return 130
        told = _told(error)
        if told is None or os.environ.get("SPIKING_TASNET_DEBUG"):
            raise
        print(f"{name}: error: {' '.join(told.split())}", file=sys.stderr)
        return 1


def _told(error: BaseException) -> str | None:
    """One line on what the user can mend; None for a bug of ours."""
    if isinstance(error, MemoryError):
        return "out of memory; see --help for what makes the work smaller, or use a machine with more"
    if isinstance(error, RuntimeError):
        if type(error).__name__ == "BrokenProcessPool":
            return "a process of the pool was killed, perhaps for want of memory; run it again with fewer --jobs"
        memory = "out of memory" in str(error) or "t allocate memory" in str(error)
        return f"out of memory ({str(error).splitlines()[0]})" if memory else None
    if isinstance(error, ImportError):
        return f"{error}; install the packages of pyproject.toml (tools/env.sh makes an environment that has them)"
    return str(error) if isinstance(error, ValueError | TypeError | OSError) else None


@contextlib.contextmanager
def noted_interrupt() -> Iterator[list[int]]:
    """Yield a list that is empty until Ctrl-C; a package being imported may make an error of its own of it."""
    found: list[int] = []

    def note(number: int, frame: object) -> None:
        found.append(number)
        raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield found  # ignored, as in a shell's background job, or somebody else's
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _quiet() -> None:
    """Log on stderr, without what packages say of themselves."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)  # tips, hardware it lacks
    # Said by torchmetrics, which Lightning imports, on every start from Python 3.12 on.
    warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)

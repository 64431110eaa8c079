"""Separate the talkers of your own recordings."""

from __future__ import annotations

import argparse
import json
import os
import re
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from spiking_tasnet.cli.console import one_line, say, tell
from spiking_tasnet.cli.interrupts import Interrupts
from spiking_tasnet.files import check_writable, printable, write_error, write_json
from spiking_tasnet.memory import keep_few_convolutions
from spiking_tasnet.models import NAMES, NETWORKS, network_path

if TYPE_CHECKING:
    from spiking_tasnet.separation.separate_file import FileReport
    from spiking_tasnet.separation.separator import Separator

COMMAND = "spiking-tasnet separate"
LONGEST_MESSAGE = 500  # characters of an error
OUT_OF_MEMORY = re.compile(r"can't allocate memory|out of memory|Unable to allocate|bad_alloc", re.IGNORECASE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `separate`."""
    parser.description = (
        "Separate recordings of two talkers, of any length, in flat memory. MIX.wav gives OUT/MIX_s1.wav and "
        "OUT/MIX_s2.wav, as long and at the rate of MIX.wav, never clipped: 16 bits, or 24 where MIX.wav has more than "
        "16 or is very quiet. Two files of one name get their folders' names in front. A network trained at 8 kHz "
        "gives sound up to 4 kHz, whatever the rate of the file; offset and rumble below some 20 Hz are removed. "
        "After a pause in which nobody speaks for a second, talkers are told by their voices; --json says how surely."
    )
    parser.epilog = "Exit code: 0 all done, 1 some failed, 2 wrong arguments. SPIKING_TASNET_DEBUG=1 shows tracebacks."
    parser.add_argument("files", nargs="+", type=Path, metavar="MIX", help="WAV, FLAC or what else libsndfile reads")
    parser.add_argument("-o", "--out", type=Path, default=Path("separated"), help="output folder (default: separated)")
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help=f"exp/NAME, a model.pt, or {NAMES}, which are shipped (default: talkers, or where that is not there the "
        "newest of the recipes here)",
    )
    parser.add_argument("--ann", action="store_true", help="use the analog network instead of the spiking one")
    parser.add_argument(
        "--channel",
        default="auto",
        metavar="C",
        help="of several: a number from 1, mean, strongest, or auto, the mean unless it cancels (default: auto)",
    )
    parser.add_argument(
        "--segment",
        type=float,
        default=16.0,
        metavar="S",
        help="seconds that the network is given at once; fewer need less memory, the result is the same (default: 16)",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all)")
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write a list with a record per file: seconds, real-time factor, spikes per neuron and SynOps per second "
        "(counted on one window), channel, links across pauses, warnings, outputs, error; - for stdout",
    )


def run(args: argparse.Namespace) -> int:
    """Separate each file; one that cannot be is reported and the others are done."""
    keep_few_convolutions()
    with Interrupts(COMMAND) as interrupts:
        with interrupts.loading():
            import spiking_tasnet.separation.separate_file  # noqa: F401  and all that it needs, torch among it
        try:
            _check_options(args)
        except ValueError as error:
            tell(f"{COMMAND}: error: {one_line(error)}")
            return 2
        check_writable(args.out)
        if args.json and args.json != "-":
            check_writable(Path(args.json).parent)
        return _separate_all(args, interrupts)


def _check_options(args: argparse.Namespace) -> None:
    """Refuse options out of range.

    Raises:
        ValueError: one line.
    """
    from spiking_tasnet.separation.separator import check_segment

    check_segment(args.segment)
    if args.threads is not None and args.threads < 1:
        raise ValueError(f"--threads {args.threads} found, 1 or more expected")
    if not re.fullmatch(r"auto|mean|strongest|[1-9]\d{0,4}", args.channel):
        raise ValueError(f"--channel {args.channel} found, a number from 1, mean, strongest or auto expected")


def _separate_all(args: argparse.Namespace, interrupts: Interrupts) -> int:
    import torch

    from spiking_tasnet.separation.output_names import identities, output_stems
    from spiking_tasnet.separation.separator import Separator, default_model

    if args.threads is not None:
        torch.set_num_threads(args.threads)
    files, reports = _expand(args.files, interrupts)
    stems, inputs = output_stems(files), identities(files)
    model = network_path(args.model) if args.model else default_model(args.ann)
    separator = Separator.load(model, args.ann, args.segment)
    kind = "spiking" if separator.network.is_spiking else "analog"
    shipped = model in NETWORKS.values()
    shown = f"{model.name}, which is shipped" if shipped else printable(os.path.relpath(model))
    tell(f"model: {shown} ({kind})")
    began = time.monotonic()
    try:
        for path in files:
            reports.append(_separate_one(args, separator, path, stems[path], inputs, interrupts))
            interrupts.check()
    finally:
        written = _write_reports(args.json, reports)
    done = [report for report in reports if report.error is None]
    seconds, spent = sum(report.seconds or 0.0 for report in done), time.monotonic() - began
    speed = f", real-time factor {spent / seconds:.2f}" if seconds else ""
    tell(f"{len(done)} of {len(reports)} files, {seconds:.1f} s of audio in {spent:.1f} s{speed}")
    return 0 if len(done) == len(reports) and written else 1


def _separate_one(
    args: argparse.Namespace,
    separator: Separator,
    path: Path,
    stem: str,
    inputs: set[tuple[int, int]],
    interrupts: Interrupts,
) -> FileReport:
    """Separate one file and say so; whatever goes wrong is one line that names it."""
    from spiking_tasnet.progress import Progress
    from spiking_tasnet.separation.audio.recording import Recording
    from spiking_tasnet.separation.output_names import identities, output_paths
    from spiking_tasnet.separation.separate_file import separate_file

    try:
        targets = output_paths(args.out, stem, separator.network.config.n_src)
        for target in targets:
            if identities([target]) & inputs:
                raise ValueError(
                    f"{printable(path)}: {printable(target)} is an input and would be overwritten; give another -o"
                )
        recording = Recording.open(path, args.channel)
        with Progress(recording.n_samples / recording.rate, printable(path.name), "s of audio") as progress:
            report = separate_file(separator, recording, targets, bool(args.json), progress.update)
    except Exception as error:
        return _failed(path, error, interrupts)
    for warning in report.warnings:
        tell(f"{COMMAND}: warning: {_named(path, warning)}")
    if args.json != "-":
        say(f"{printable(path)} -> {', '.join(map(printable, report.outputs))}")
    return report


def _expand(paths: list[Path], interrupts: Interrupts) -> tuple[list[Path], list[FileReport]]:
    """The files to separate, folders put in their place, each once; the reports of what is none."""
    from spiking_tasnet.separation.audio.recording import expand

    once: dict[str, Path] = {}
    failed = []
    for given in paths:
        try:
            for path in expand([given]):
                if once.setdefault(os.path.realpath(path), path) is not path:
                    tell(f"{COMMAND}: {printable(path)} is given twice; it is done once")
        except Exception as error:
            failed.append(_failed(given, error, interrupts))
    return list(once.values()), failed


def _failed(path: Path, error: Exception, interrupts: Interrupts) -> FileReport:
    """Say what is wrong with a file, and keep it for the report; a signal that a library made an error of ends all."""
    from spiking_tasnet.separation.separate_file import FileReport

    interrupts.check()
    if os.environ.get("SPIKING_TASNET_DEBUG"):
        tell("".join(traceback.format_exception(error)).rstrip())
    report = FileReport(str(path), error=_message(path, error))
    tell(f"{COMMAND}: error: {report.error}")
    return report


def _message(path: Path, error: Exception) -> str:
    """One line that names the file and says what is wrong with it."""
    text = one_line(error)
    if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(text):
        text = "out of memory; close other programs, or give a smaller --segment"
    elif not isinstance(error, (ValueError, OSError)):
        text = f"{type(error).__name__}: {text}; SPIKING_TASNET_DEBUG=1 shows where"
    return _named(path, text[:LONGEST_MESSAGE])


def _named(path: Path, text: str) -> str:
    """`text` with the file in front, unless it names it."""
    known = any(name and name in text for name in (printable(path), one_line(str(path))))
    return text if known else f"{printable(path)}: {text}"


def _write_reports(target: str | None, reports: list[FileReport]) -> bool:
    """Write the records of all files that came to an end; return whether that worked."""
    records = [report.as_dict() for report in reports]
    if target == "-":
        return say(json.dumps(records, indent=2))
    if target is None:
        return True
    try:
        write_json(target, records)
    except OSError as error:
        tell(f"{COMMAND}: error: {one_line(write_error(target, error))}")
        return False
    return True

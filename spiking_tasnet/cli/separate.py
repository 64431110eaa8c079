"""Separate the talkers of your own recordings."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `separate`."""
    parser.description = (
        "Separate recordings of two talkers. Any sample rate and length; several channels are averaged to one. "
        "MIX.wav gives OUT/MIX_s1.wav and OUT/MIX_s2.wav, 16 bits, as long and at the rate of MIX.wav, never clipped. "
        "A network trained at 8 kHz gives sound up to 4 kHz, whatever the rate of the file."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="MIX", help="WAV, FLAC or what else libsndfile reads")
    parser.add_argument("-o", "--out", type=Path, default=Path("separated"), help="output folder (default: separated)")
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="exp/<name>, or a model.pt (default: the newest of the recipes here)"
    )
    parser.add_argument("--ann", action="store_true", help="use the analog network instead of the spiking one")
    parser.add_argument(
        "--segment", type=float, default=16.0, metavar="S", help="longer files are cut in pieces of S seconds (16)"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all)")


def run(args: argparse.Namespace) -> int:
    """Separate each file; one that cannot be is reported and the others are done."""
    _check_names(args.files, args.out)
    import torch
    from tqdm import tqdm

    from spiking_tasnet.separation.audio import read_audio, write_audio
    from spiking_tasnet.separation.separate import Separator, newest_model

    if args.threads is not None:
        if args.threads < 1:
            raise ValueError(f"--threads {args.threads} found, 1 or more expected")
        torch.set_num_threads(args.threads)
    model = args.model or newest_model(args.ann)
    separator = Separator.load(model, args.ann, args.segment)
    kind = "spiking" if separator.network.is_spiking else "analog"
    print(f"model: {os.path.relpath(model)} ({kind})", file=sys.stderr)
    failed, audio_seconds, began = 0, 0.0, time.monotonic()
    for path in args.files:
        try:
            samples, rate = read_audio(path)
            seconds = samples.shape[1] / rate
            with tqdm(total=seconds, desc=path.name, unit="s", bar_format=BAR, leave=False) as bar:
                est_sources = separator.separate(samples.mean(axis=0), rate, progress=bar.update)
            for place, source in enumerate(est_sources, start=1):
                write_audio(_target(args.out, path, place), source, rate)
        except (ValueError, OSError) as error:
            print(f"spiking-tasnet separate: error: {' '.join(str(error).split())}", file=sys.stderr)
            failed += 1
            continue
        audio_seconds += seconds
        names = ", ".join(str(_target(args.out, path, place)) for place in range(1, len(est_sources) + 1))
        print(f"{path} -> {names}")
    spent = time.monotonic() - began
    if audio_seconds:
        speed = f"{audio_seconds:.1f} s of audio in {spent:.1f} s, real-time factor {spent / audio_seconds:.2f}"
        print(speed, file=sys.stderr)
    return 1 if failed else 0


def _target(out: Path, path: Path, place: int) -> Path:
    return out / f"{path.stem}_s{place}.wav"


def _check_names(files: list[Path], out: Path) -> None:
    """Refuse, before any work, what would overwrite an output of this run or an input.

    Raises:
        ValueError: naming the files.
    """
    taken: dict[str, Path] = {}
    inputs = {path.resolve() for path in files}
    for path in files:
        if path.stem in taken:
            raise ValueError(f"{taken[path.stem]} and {path} would both write {path.stem}_s1.wav; run them one by one")
        taken[path.stem] = path
        for place in (1, 2):
            if _target(out, path, place).resolve() in inputs:
                raise ValueError(f"{_target(out, path, place)} is an input and would be overwritten; give another -o")

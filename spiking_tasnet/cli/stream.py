"""Separate a stream of sound on standard input while it comes."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from spiking_tasnet.cli.console import tell
from spiking_tasnet.cli.interrupts import Interrupts
from spiking_tasnet.cli.stn_contents import stn_contents
from spiking_tasnet.models import NAMES

COMMAND = "spiking-tasnet stream"
FORMATS = ("s16", "f32")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `stream`."""
    parser.description = (
        "Separate what comes on standard input, WAV or raw samples, while it comes, and write one channel for each "
        "talker to standard output: arecord -t raw -f S16_LE -r 8000 | spiking-tasnet stream --rate 8000 | "
        "aplay -t raw -f S16_LE -r 8000 -c 2. WAV in gives WAV out. Memory stays flat. "
        "How fast it ran, and how late, is said on stderr at the end."
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="MODEL",
        help=f"an .stn file, exp/NAME, a model.pt, or {NAMES}, which are shipped; live looks only back (default: "
        "talkers, or where that is not there the newest here)",
    )
    parser.add_argument("--rate", type=int, default=8000, help="of raw samples, Hz (default: 8000); WAV says its own")
    parser.add_argument("--format", choices=FORMATS, default="s16", help="of raw samples, little-endian (default: s16)")
    parser.add_argument("--channels", type=int, default=1, help="of raw samples; their mean is taken (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Separate until the input ends."""
    with Interrupts(COMMAND) as interrupts:
        with interrupts.loading():
            from spiking_tasnet.separation.audio.pcm_pipe import PcmReader, PcmWriter
            from spiking_tasnet.separation.streaming.live import LiveStream
            from spiking_tasnet.separation.streaming.resampling import RATES

            model = stn_contents(args.model)
        if not RATES[0] <= args.rate <= RATES[1] or not 1 <= args.channels <= 64:
            raise ValueError(
                f"--rate {args.rate} and --channels {args.channels} found, {RATES[0]} to {RATES[1]} Hz and 1 to 64 "
                "channels expected"
            )
        reader = PcmReader(sys.stdin.buffer.fileno(), args.rate, args.format, args.channels)
        if not RATES[0] <= reader.rate <= RATES[1]:
            raise ValueError(f"a rate of {reader.rate} Hz found, {RATES[0]} to {RATES[1]} Hz expected")
        stream = LiveStream(model, reader.rate)
        writer = PcmWriter(os.dup(1), reader, stream.n_src)
        spent, held = 0.0, 0
        try:
            while len(samples := reader.read()):
                began = time.process_time()
                ready = stream.push(samples)
                spent += time.process_time() - began
                writer.write(ready)
                held = max(held, stream.taken - stream.given)
                interrupts.check()
            writer.write(stream.finish())
        except BrokenPipeError:
            return 0  # whoever listened has gone
        seconds = max(stream.taken, 1) / reader.rate
        tell(
            f"{stream.taken / reader.rate:.1f} s of audio, real-time factor {spent / seconds:.3f}, latency "
            f"{1e3 * stream.latency:.0f} ms, {1e3 * stream.network_latency:.0f} ms of it the network's "
            f"(at most {1e3 * held / reader.rate:.0f} ms held back), "
            f"{writer.clipped} samples clipped"
        )
    return 0

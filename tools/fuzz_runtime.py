"""Mutated models and sounds through stn-separate, built with AddressSanitizer and UBSan.

    python tools/fuzz_runtime.py --count 10000 --seed 0

Half of the models are sealed again after the mutation, with the size and checksum of what they hold, so that what lies
behind these is reached too. A run must end with one of the exit codes of the command, within a time, and say what is
wrong in one line; what does not is kept in --keep, with what it said. The exit code is 1 then.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from pathlib import Path

import torch

from spiking_tasnet.runtime.stn import FIXED, MAGIC, VERSION, pack_separator
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.snn import convert
from spiking_tasnet.snn.constraints import Constraints

ROOT = Path(__file__).resolve().parents[1]
FLAGS = "-O1 -g -march=native -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
OPTIONS = {
    "ASAN_OPTIONS": "exitcode=99:allocator_may_return_null=1:detect_leaks=1",
    "UBSAN_OPTIONS": "exitcode=98:print_stacktrace=1",
}
NUMBERS = (0, 1, 2, 7, 255, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 0x7F800000, 0xFF800000, 0x7FC00000, 0x00000001)
SECONDS = 60  # most that a run may take


def build(folder: Path) -> Path:
    """The command, built with sanitizers.

    Raises:
        OSError, subprocess.CalledProcessError: there is no compiler that can.
    """
    script = [ROOT / "tools" / "build_runtime.sh", folder]
    subprocess.run(script, check=True, env={**os.environ, "CFLAGS": FLAGS}, capture_output=True)
    return folder / "stn-separate"


def models() -> list[bytes]:
    """Small networks of every kind that the file can carry."""
    found = []
    for number, (bits, changes) in enumerate(
        [
            (0, {}),
            (8, {"num_steps": 32}),
            (4, {"encoding": "spread", "v_init": 0.5, "channel_wise": True}),
            (8, {"firing": "phased", "v_init": 0.5}),
        ]
    ):
        torch.manual_seed(number)
        network = TasNet(ModelConfig(n_filters=12, kernel_size=8, stride=3, bn_chan=10, hid_chan=9, n_blocks=3)).eval()
        noise = 0.1 * torch.randn(1, 2000)
        convert(network, lambda: network(noise), **{"num_steps": 8, "constraints": Constraints(bits), **changes})  # noqa: B023
        found.append(pack_separator(network))
    return found


def sound(random_: random.Random, frames: int = 400) -> bytes:
    """A WAV file of noise, of a kind that the command reads."""
    kind, width = random_.choice([(1, 2), (1, 3), (1, 4), (3, 4)])
    channels = random_.choice([1, 1, 2, 3])
    count = frames * channels
    if kind == 3:
        data = struct.pack(f"<{count}f", *(random_.gauss(0, 0.1) for _ in range(count)))
    else:
        data = random_.randbytes(count * width)
    form = struct.pack("<HHIIHH", kind, channels, 8000, 8000 * channels * width, channels * width, 8 * width)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def mutated(contents: bytes, random_: random.Random, header: int) -> bytes:
    """One to eight changes, every other one within the first `header` bytes."""
    changed = bytearray(contents)
    for _ in range(random_.choice([1, 1, 1, 2, 3, 8])):
        end = min(len(changed), header if random_.random() < 0.5 else len(changed))
        place, how = random_.randrange(max(1, end)), random_.randrange(6)
        if how == 0 and place < len(changed):
            changed[place] ^= 1 << random_.randrange(8)
        elif how == 1:
            changed[place : place + random_.randrange(1, 9)] = random_.randbytes(random_.randrange(0, 9))
        elif how == 2:
            place -= place % 4
            changed[place : place + 4] = struct.pack("<I", random_.choice(NUMBERS))
        elif how == 3:
            place -= place % 4
            changed[place : place + 4] = struct.pack("<I", random_.randrange(1, 40))
        elif how == 4:
            del changed[place:]
        else:
            size = random_.randrange(1, 64)
            changed[place:place] = changed[random_.randrange(max(1, len(changed))) :][:size]
    return bytes(changed)


def sealed(contents: bytes) -> bytes:
    """The same with the magic, version, checksum and size that belong to it."""
    body = contents[FIXED.size :]
    size = FIXED.size + len(body)
    return FIXED.pack(MAGIC, VERSION, zlib.crc32(struct.pack("<Q", size) + body), size) + body


def outcome(command: Path, folder: Path) -> tuple[str, str]:
    """What became of one run, and what it said."""
    outputs = [folder / "1.wav", folder / "2.wav"]
    try:
        done = subprocess.run(
            [command, "-m", folder / "x.stn", folder / "x.wav", *outputs],
            capture_output=True,
            timeout=SECONDS,
            env={**os.environ, **OPTIONS},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "hang", ""
    told = done.stderr.decode(errors="replace")
    if done.returncode == 0 and not told and all(path.exists() for path in outputs):
        return "separated", told
    if done.returncode == 1 and told.count("\n") == 1 and told.startswith("stn-separate: error: "):
        return "refused", told
    return "finding", f"exit code {done.returncode}\n{told}"


def main(argv: list[str] | None = None) -> int:
    """Run, and count what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz_findings"), help="folder of what was found")
    args = parser.parse_args(argv)
    random_, counts = random.Random(args.seed), Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command, originals = build(folder), models()
        for number in range(args.count):
            model, wav = random_.choice(originals), sound(random_)
            if random_.random() < 0.75:
                model = mutated(model, random_, 80)
                model = sealed(model) if random_.random() < 0.67 else model
            if random_.random() < 0.5:
                wav = mutated(wav, random_, 48)
            (folder / "x.stn").write_bytes(model)
            (folder / "x.wav").write_bytes(wav)
            what, told = outcome(command, folder)
            counts[what] += 1
            if what in ("finding", "hang"):
                args.keep.mkdir(parents=True, exist_ok=True)
                for path in (folder / "x.stn", folder / "x.wav"):
                    shutil.copy(path, args.keep / f"{args.seed}-{number}{path.suffix}")
                (args.keep / f"{args.seed}-{number}.txt").write_text(told)
            for path in (folder / "1.wav", folder / "2.wav"):
                path.unlink(missing_ok=True)
            if (left := list(folder.glob("*.part"))) and not counts["left"]:
                counts["left"] += 1
                print(f"run {number} left {left[0].name}", file=sys.stderr)
    print(", ".join(f"{counts[what]} {what}" for what in ("separated", "refused", "finding", "hang", "left")))
    return 1 if counts["finding"] or counts["hang"] or counts["left"] else 0


if __name__ == "__main__":
    raise SystemExit(main())

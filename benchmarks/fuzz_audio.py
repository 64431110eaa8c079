"""Damaged sound files through the reading of recordings: python -m benchmarks.fuzz_audio --count 1000 --seed 0.

Small valid files of every common format are mutated (bits flipped, cut, header fields set, spliced, rubbish appended,
zeros filled in) and read in a process of their own that may use 1 GB. A file may be read, or refused with an error of
one line that names it. Anything else (another exception, over 10 s, too much memory, the end of the process) is a
fault: its file is kept where --keep says, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

from spiking_tasnet.separation.audio.files import audio_seconds, read_audio
from spiking_tasnet.separation.audio.recording import Recording

LIMIT_SECONDS = 10
LIMIT_BYTES = 1 << 30
FORMATS = {  # suffix: container, kind of samples
    "wav": ("WAV", "PCM_16"),
    "24.wav": ("WAV", "PCM_24"),
    "float.wav": ("WAV", "FLOAT"),
    "alaw.wav": ("WAV", "ALAW"),
    "ima.wav": ("WAV", "IMA_ADPCM"),
    "ms.wav": ("WAV", "MS_ADPCM"),
    "gsm.wav": ("WAV", "GSM610"),
    "w64": ("W64", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "alac.caf": ("CAF", "ALAC_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "sph": ("NIST", "PCM_16"),
    "voc": ("VOC", "PCM_16"),
    "svx": ("SVX", "PCM_16"),
    "mat": ("MAT5", "FLOAT"),
}
MONO = ("gsm.wav", "svx")
OUTCOMES = ("read", "warned", "refused", "traceback", "hang", "memory", "crash")
FAULTS = OUTCOMES[3:]
EXTREMES = (0, 1, 2, 7, 255, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF)


def make_files(rng: np.random.Generator) -> dict[str, bytes]:
    """A valid file of each format, mono or stereo: its bytes by suffix."""
    made = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (suffix, (container, kind)) in enumerate(FORMATS.items()):
            rate, n_chan = (48000 if kind == "OPUS" else 16000), 1 if suffix in MONO else 1 + number % 2
            tone = np.sin(np.arange(2 * rate)[:, None] * rng.uniform(0.01, 0.3, n_chan))
            samples = 0.3 * tone + 0.05 * rng.standard_normal(tone.shape)
            path = Path(folder) / f"a.{suffix}"
            soundfile.write(path, samples, rate, format=container, subtype=kind)
            made[suffix] = path.read_bytes()
    return made


def mutate(content: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """One to three random injuries."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        INJURIES[rng.integers(len(INJURIES))](data, others, rng)
    return bytes(data)


def _flip(data: bytearray, _: list[bytes], rng: np.random.Generator) -> None:
    """Bits anywhere."""
    for _ in range(rng.integers(1, 30)):
        if data:
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)


def _flip_head(data: bytearray, _: list[bytes], rng: np.random.Generator) -> None:
    """Bytes of the header."""
    for _ in range(rng.integers(1, 6)):
        if data:
            data[rng.integers(min(200, len(data)))] = rng.integers(256)


def _set_field(data: bytearray, _: list[bytes], rng: np.random.Generator) -> None:
    """A field of 2, 4 or 8 bytes of the header to an extreme number."""
    width = int(rng.choice([2, 4, 8]))
    at = int(rng.integers(max(1, min(200, len(data)) - width)))
    number = EXTREMES[rng.integers(len(EXTREMES))] & ((1 << 8 * width) - 1)
    data[at : at + width] = number.to_bytes(width, "little" if rng.integers(2) else "big")


def _cut(data: bytearray, _: list[bytes], rng: np.random.Generator) -> None:
    """The end."""
    del data[int(rng.integers(len(data) + 1)) :]


def _cut_front(data: bytearray, _: list[bytes], rng: np.random.Generator) -> None:
    """The beginning, or a hole in the middle."""
    at = int(rng.integers(len(data) + 1)) if rng.integers(2) else 0
    del data[at : at + int(rng.integers(1, 2000))]


def _splice(data: bytearray, others: list[bytes], rng: np.random.Generator) -> None:
    """A piece of another file, put in or over."""
    other = others[rng.integers(len(others))]
    start = int(rng.integers(len(other)))
    piece = other[start : start + int(rng.integers(1, 3000))]
    at = int(rng.integers(len(data) + 1))
    data[at : at + (len(piece) if rng.integers(2) else 0)] = piece


def _append(data: bytearray, others: list[bytes], rng: np.random.Generator) -> None:
    """Rubbish, zeros or a whole file behind it."""
    choice = rng.integers(3)
    size = int(rng.integers(1, 5000))
    data += rng.bytes(size) if choice == 0 else bytes(size) if choice == 1 else others[rng.integers(len(others))]


def _zero(data: bytearray, _: list[bytes], rng: np.random.Generator) -> None:
    """Zeros over a part, as after a crash."""
    start = int(rng.integers(len(data) + 1))
    stop = min(len(data), start + int(rng.integers(1, 4000)))
    data[start:stop] = bytes(stop - start)


INJURIES = (_flip, _flip_head, _set_field, _set_field, _cut, _cut_front, _splice, _append, _zero)


def try_file(path: Path) -> tuple[str, str]:
    """Read a file as `separate` and as stage 0 do: an outcome, and what was said."""
    outcome, said = "read", ""
    for number, way in enumerate((_as_recording, _as_corpus, _as_census)):
        try:
            warnings = way(path)
            if warnings:
                outcome, said = "warned", "; ".join(warnings)
        except (OSError, ValueError) as error:
            if len(str(error).splitlines()) != 1 or path.name not in str(error):
                return "traceback", f"not one line that names the file: {error!r}"
            if number == 0:
                outcome, said = "refused", str(error)
        except MemoryError:
            return "memory", "MemoryError"
        except Exception as error:  # what this program looks for
            return "traceback", repr(error)
    return outcome, said


def _as_recording(path: Path) -> list[str]:
    recording, n_samples = Recording.open(path), 0
    for block in recording.blocks(5000):
        n_samples += len(block)
        if not np.isfinite(block).all():
            raise RuntimeError("a block that is not finite")
    if n_samples != recording.n_samples:
        raise RuntimeError(f"{n_samples} samples in the blocks, {recording.n_samples} promised")
    return recording.warnings


def _as_corpus(path: Path) -> None:
    samples, _ = read_audio(path)
    if not np.isfinite(samples).all():
        raise RuntimeError("samples that are not finite")


def _as_census(path: Path) -> None:
    if not audio_seconds(path) >= 0:
        raise RuntimeError("a duration below zero")


def work() -> None:
    """The worker: a path a line comes in, an outcome a line goes out."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print counts as noise, wherever they print it
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        outcome, said = try_file(Path(line.rstrip("\n")))
        answers.write(json.dumps([outcome, said, peak_memory()]) + "\n")
        answers.flush()


def peak_memory() -> int:
    """Peak of this process's resident memory, bytes."""
    try:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # at least that of the process that began it


class Worker:
    """The process that reads; a new one takes the place of one that ended."""

    def __init__(self, log: Path):
        """`log` gets what the process writes to stderr."""
        self.log, self.process = log, None

    def ask(self, path: Path) -> tuple[str, str, int]:
        """Outcome, what was said, and the peak of the process's memory in bytes."""
        if self.process is None:
            with self.log.open("ab") as log:
                command = [sys.executable, "-m", "benchmarks.fuzz_audio", "--worker"]
                self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.process.stdin.write(f"{path}\n".encode())
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], LIMIT_SECONDS)[0]:
            self.end()
            return "hang", f"over {LIMIT_SECONDS} s", 0
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.end()
            return "crash", f"the process ended with {code}", 0
        return tuple(json.loads(line))

    def end(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None


def fuzz(count: int, seed: int, keep: Path | None = None) -> tuple[dict[str, Counter], list[str], dict[str, float]]:
    """Try `count` mutated files.

    Returns:
        Outcomes by format; a line for each fault; the longest time (s), the peak of memory (bytes), and the bytes that
        libraries printed.
    """
    rng = np.random.default_rng(seed)
    files = make_files(rng)
    table: dict[str, Counter] = {suffix: Counter() for suffix in files}
    faults, longest, peak = [], 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(Path(folder) / "stderr.txt")
        try:
            for number in range(count):
                suffix = list(files)[number % len(files)]
                path = Path(folder) / f"{number:05d}.{suffix if rng.integers(10) else 'dat'}"
                path.write_bytes(mutate(files[suffix], list(files.values()), rng))
                began = time.monotonic()
                outcome, said, memory = worker.ask(path)
                longest, peak = max(longest, time.monotonic() - began), max(peak, memory)
                table[suffix][outcome] += 1
                if outcome in FAULTS:
                    faults.append(f"{path.name}: {outcome}: {said}")
                    if keep:
                        keep.mkdir(parents=True, exist_ok=True)
                        shutil.copy(path, keep)
                path.unlink()
        finally:
            worker.end()
        noise = worker.log.stat().st_size if worker.log.exists() else 0
    return table, faults, {"longest": longest, "peak": peak, "printed": noise}


def main() -> int:
    """Fuzz and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="files (1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the files of faults there")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work()
        return 0
    began = time.monotonic()
    table, faults, facts = fuzz(args.count, args.seed, args.keep)
    print(f"{'format':10s}" + "".join(f"{name:>10s}" for name in OUTCOMES))
    for suffix, row in [*table.items(), ("all", sum(table.values(), Counter()))]:
        print(f"{suffix:10s}" + "".join(f"{row[name]:10d}" for name in OUTCOMES))
    print(
        f"{args.count} files, seed {args.seed}, {time.monotonic() - began:.0f} s; longest {facts['longest']:.2f} s, "
        f"peak {facts['peak'] / 2**20:.0f} MiB, {facts['printed']} bytes printed by libraries"
    )
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""The separator in C and in a browser beside PyTorch's, ANN and SNN: real-time factor and peak memory, one thread each.

python -m benchmarks.runtime [--ann MODEL.pt] [--snn MODEL.pt] [--seconds 20] [--rounds 5] [--compiler-flags FLAGS]

Without models the networks have random weights and the sizes of recipes/talkers; --ann alone is converted here without
training, to 8-bit weights and N_s = 8. Each system runs in a process of its own, whose largest memory is that of the
system with all that it loads; rounds are interleaved. The sound is noise in the rhythm of speech. Times are those of
the processor. Those of Chromium are all that the page's process does from the file to the finished result, compilation
of the module and pictures included; where there is no Chromium, a line says why.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from benchmarks.chromium import Browser, browser_fault
from benchmarks.networks import random_separator
from spiking_tasnet.runtime.stn import write_stn
from spiking_tasnet.separation.browser.write import write_page
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import TasNet, save_model
from spiking_tasnet.separation.packed import load_network
from spiking_tasnet.snn import convert
from spiking_tasnet.snn.settings import Constraints

ROOT = Path(__file__).resolve().parents[1]
SIZES = ModelConfig(n_filters=256, kernel_size=32, stride=16, bn_chan=256, hid_chan=256, n_blocks=9)
RUN_TORCH = """
import sys, time, soundfile, torch
from spiking_tasnet.separation.network import load_model
from spiking_tasnet.separation.separator import Separator
torch.set_num_threads(1)
samples, rate = soundfile.read(sys.argv[2], dtype="float32")
separator = Separator(load_model(sys.argv[1]))
for _ in range(2):  # the first call prepares the weights
    began = time.process_time()
    with torch.no_grad():
        separator.network(torch.from_numpy(samples)[None])
print((time.process_time() - began) / (len(samples) / rate))
"""


def sound(seconds: float, rate: int) -> np.ndarray:
    """Noise whose level rises and falls as that of syllables does, (n_samples,)."""
    generator, times = np.random.default_rng(0), np.arange(round(seconds * rate)) / rate
    envelope = np.maximum(0.05, np.sin(2 * np.pi * 3 * times) + np.sin(2 * np.pi * 0.7 * times))
    return (0.1 * envelope * generator.standard_normal(len(times))).astype(np.float32)


def networks(args: argparse.Namespace) -> tuple[TasNet, TasNet]:
    """The ANN and the SNN."""
    ann = load_network(args.ann, ann=True) if args.ann else random_separator(SIZES)
    if args.snn:
        return ann, load_network(args.snn)
    snn = load_network(args.ann, ann=True) if args.ann else random_separator(SIZES)
    clip = torch.from_numpy(sound(4.0, snn.config.sample_rate))[None]
    convert(snn, lambda: snn(clip), num_steps=8, channel_wise=True, constraints=Constraints(8, per_channel=True))
    return ann, snn


def measured(command: list[str | Path], environment: dict[str, str]) -> tuple[str, float]:
    """What a command prints, and the most memory that it held, MB."""
    most = 0
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, env=environment)
        status = Path(f"/proc/{process.pid}/status")  # getrusage would count what this process held when it forked
        while process.poll() is None:
            found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
            most = max(most, int(found[1]) if found else 0)
            time.sleep(0.01)
        if process.returncode:
            raise SystemExit(f"{command[0]} ended with exit code {process.returncode}")
        output.seek(0)
        return output.read(), most * 1024 / 1e6


def in_browser(page: Path, sound: Path, folder: Path) -> tuple[float, float, float]:
    """Separate a file in the page: seconds of the processor, most memory in MB, wall-clock seconds of the network."""
    browser = Browser(folder)
    try:
        browser.open(page)
        browser.wait("document.documentElement.dataset.state === 'ready'")
        before = browser.work()
        browser.keys("#file", str(sound))
        browser.wait("document.documentElement.dataset.state === 'done'", 600)
        after = browser.work()
        spent = {pid: seconds - before.get(pid, (0.0, 0.0))[0] for pid, (seconds, _) in after.items()}
        busiest = max(spent, key=lambda pid: spent[pid])
        return spent[busiest], after[busiest][1], float(browser.run("return document.documentElement.dataset.factor"))
    finally:
        browser.close()


def main() -> None:
    """Print a row per system."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ann", type=Path, metavar="MODEL.pt")
    parser.add_argument("--snn", type=Path, metavar="MODEL.pt")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compiler-flags", default="-O3 -march=native", help="of the C runtime")
    args = parser.parse_args()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CFLAGS": args.compiler_flags, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ann, snn = networks(args)
        save_model(folder / "ann.pt", ann)
        save_model(folder / "snn.pt", snn)
        write_stn(folder / "sep.stn", snn)
        soundfile.write(folder / "in.wav", sound(args.seconds, ann.config.sample_rate), ann.config.sample_rate)
        subprocess.run([ROOT / "tools" / "build_runtime.sh", folder], check=True, env=environment)
        wavs = [folder / "in.wav", folder / "1.wav", folder / "2.wav"]
        systems: dict[str, list[str | Path]] = {
            "ANN, PyTorch": [sys.executable, "-c", RUN_TORCH, folder / "ann.pt", wavs[0]],
            "SNN, PyTorch": [sys.executable, "-c", RUN_TORCH, folder / "snn.pt", wavs[0]],
            "SNN, C": [folder / "stn-separate", "-m", folder / "sep.stn", *wavs],
        }
        factors: dict[str, list[float]] = {system: [] for system in systems}
        memory = dict.fromkeys(systems, 0.0)
        write_page(folder / "page.html", (folder / "sep.stn").read_bytes())
        fault, in_chromium = browser_fault(), []
        for number in range(args.rounds):
            for system, command in systems.items():
                told, held = measured(command, environment)
                number = told.split("real-time factor ")[-1].split(",")[0]
                factors[system].append(float(number))
                memory[system] = max(memory[system], held)
            if not fault:
                in_chromium.append(in_browser(folder / "page.html", wavs[0], folder / f"browser{number}"))
        size = (folder / "sep.stn").stat().st_size / 1e6
    print(f"{args.seconds:g} s of sound, one thread, {size:.2f} MB of .stn, {args.compiler_flags}\n")
    print("| system | real-time factor | peak memory, MB |\n| --- | ---: | ---: |")
    for system, found in factors.items():
        print(f"| {system} | {statistics.median(found):.4f} | {memory[system]:.0f} |")
    if fault:
        print(f"\nNo row of Chromium: {fault}.")
    else:
        spent, held, wall = zip(*in_chromium, strict=True)
        print(f"| SNN, page in Chromium | {statistics.median(spent) / args.seconds:.4f} | {max(held):.0f} |")
        print(
            f"\nThe page itself says {statistics.median(wall):.3f}, by the clock on the wall and for the network alone."
        )


if __name__ == "__main__":
    main()

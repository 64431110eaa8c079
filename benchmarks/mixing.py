"""Time stage 0 against a plain scipy and soundfile loop, one core, one run, as ratios; `--profile` shows our share.

python -m benchmarks.mixing [--mixtures 2000] [--seconds 4] [--rounds 3] [--profile]

The corpus is fabricated at 16 kHz and each utterance is used as often as in WSJ0-2mix; mixtures are
written at 8 kHz, 'min'. With published levels the work is reading, resampling, scaling and writing; without, the active
level of ITU-T P.56 as well, as VOICEBOX's activlev measures it.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import cheby2, lfilter, resample_poly, sosfilt
from threadpoolctl import threadpool_limits

from spiking_tasnet.separation.corpora import merl
from spiking_tasnet.separation.corpora.levels import MEASURE
from spiking_tasnet.separation.corpora.plan import Plan

RATE = 16000
USES_AN_UTTERANCE = 4.6  # 40,000 in the training list of WSJ0-2mix, which names 8,769 utterances


def fabricate(root: Path, n_mixtures: int, seconds: float) -> None:
    """Write utterances of rhythmic noise, lists and levels."""
    rng = np.random.default_rng(0)
    names = [f"noise/all/{n % 10:03d}/{n:04d}.wav" for n in range(max(4, int(2 * n_mixtures / USES_AN_UTTERANCE)))]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        n_samples = int(seconds * RATE)
        rhythm = np.clip(np.sin(20 * np.arange(n_samples) / RATE + rng.uniform(0, 6)), 0.02, 1)
        soundfile.write(root / name, 0.1 * rng.standard_normal(n_samples) * rhythm, RATE, subtype="PCM_16")
    pairs = set()
    while len(pairs) < n_mixtures:
        one, two = rng.choice(len(names), 2, replace=False)
        pairs.add((int(one), int(two)))
    lines = []
    for one, two in sorted(pairs, key=lambda _: rng.uniform()):
        gain = rng.uniform(0, 2.5)
        lines.append(f"{names[one]} {gain:.5g} {names[two]} {-gain:.5g}\n")
    for subset, some in (("tr", lines), ("cv", lines[:1]), ("tt", lines[:1])):
        (root / f"mix_2_spk_{subset}.txt").write_text("".join(some))
    (root / "activlev_all.txt").write_text("".join(f"{Path(name).stem} 0.002\n" for name in names))


def plain_level(samples: np.ndarray, rate: int) -> float:
    """The level of VOICEBOX's activlev at 8 kHz as one writes it down: a threshold at a time."""
    edge = rate / np.pi * np.arctan(0.3979095 * np.tan(np.pi * 200 / rate))  # -0.25 dB at 200 Hz
    filters = cheby2(5, 50, edge, "highpass", output="sos", fs=rate)
    samples = sosfilt(filters, np.concatenate([samples, np.zeros(int(0.35 * rate))]))
    decay = np.exp(-1 / (0.03 * rate))
    power = lfilter([(1 - decay) ** 2], [1, -2 * decay, decay**2], np.abs(samples)) ** 2
    energy, hangover, points = samples @ samples, int(0.2 * rate), []
    for exponent in range(int(np.floor(np.log2(power.max()))), -100, -1):
        active = np.flatnonzero(power >= 2.0**exponent)
        count = len(active) + np.minimum(np.diff(active, append=len(samples)) - 1, hangover).sum()
        level = 10 * np.log10(energy / count)
        points.append((level, level - 10 * np.log10(2.0**exponent) - 15.9))
        if points[-1][1] >= 0:
            break
    (level, below), (next_level, above) = points[-2:]
    return 10 ** ((level + (next_level - level) * below / (below - above)) / 10)


def plain_loop(root: Path, out: Path, level: Callable[[str, np.ndarray], float]) -> None:
    """The list's lines one after another with scipy and soundfile."""
    for folder in ("mix", "s1", "s2"):
        (out / folder).mkdir(parents=True)
    for text in (root / "mix_2_spk_tr.txt").read_text().splitlines():
        one, gain1, two, gain2 = text.split()
        signals = []
        for name, gain in ((one, float(gain1)), (two, float(gain2))):
            samples, rate = soundfile.read(root / name)
            samples = resample_poly(samples, 8000, rate)
            signals.append(samples / np.sqrt(level(name, samples)) * 10 ** (gain / 20))
        length = min(map(len, signals))
        first, second = (signal[:length] for signal in signals)
        mixture = first + second
        scale = 0.9 / np.max(np.abs(np.concatenate([mixture, first, second])))
        name = f"{Path(one).stem}_{gain1}_{Path(two).stem}_{gain2}.wav"
        for folder, samples in (("mix", mixture), ("s1", first), ("s2", second)):
            soundfile.write(out / folder / name, scale * samples, 8000, subtype="PCM_16")


def our_loop(plan: Plan) -> None:
    """What one process of stage 0 does: `make` of every task, in stage 0's order; nothing is kept from a run before."""
    merl._read_source.cache_clear()
    merl._level.cache_clear()
    for task in sorted(plan.subsets["tr"], key=lambda task: task.files):
        plan.make(plan.sample_rate, plan.mode, task)


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mixtures", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        root = Path(folder)
        fabricate(root, args.mixtures, args.seconds)
        print(f"{args.mixtures} mixtures of {args.seconds} s, 16 to 8 kHz, one core, medians of {args.rounds} rounds")
        for published in (True, False):
            wanted = merl.MerlSpec(root, root, root / "ours", root if published else MEASURE)
            plan = merl.plan_mixtures(wanted)
            level = (lambda *_: 0.002) if published else (lambda _, samples: plain_level(samples, 8000))
            spent = {"ours": [], "plain": []}
            for _ in range(args.rounds):  # interleaved: both meet the same disturbances
                for name, loop in (
                    ("plain", lambda level=level: plain_loop(root, root / "plain", level)),
                    ("ours", lambda plan=plan: our_loop(plan)),
                ):
                    shutil.rmtree(root / name, ignore_errors=True)
                    began = time.perf_counter()
                    loop()
                    spent[name].append((time.perf_counter() - began) / args.mixtures * 1e3)
            ours, plain = (statistics.median(spent[name]) for name in ("ours", "plain"))
            kind = "published levels" if published else "levels measured"
            print(f"{kind:16}: plain {plain:.2f} ms, ours {ours:.2f} ms per mixture: {plain / ours:.1f} times as fast")
            if args.profile:
                shutil.rmtree(root / "ours")
                profile = cProfile.Profile()
                profile.runcall(our_loop, plan)
                pstats.Stats(profile).sort_stats("tottime").print_stats(14)


if __name__ == "__main__":
    main()

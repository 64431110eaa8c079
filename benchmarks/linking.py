"""How often talkers are joined wrongly across a common pause, and how often their order turns within speech.

python -m benchmarks.linking --data DIR --list DIR/mix_2_spk_tt.txt --model exp/NAME [--ann] [--count 200] [--seed 0]

Two mixtures of the same two talkers, of four different utterances, lie on either side of 4 to 10 s of faint noise.
Chance joins half of them wrongly. Talkers are the folders of the utterances in a list of MERL's format.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import soundfile
import torch

from spiking_tasnet.separation.corpora.mixing import mix
from spiking_tasnet.separation.scores.metrics import best_permutation, si_sdr
from spiking_tasnet.separation.separator import Separator
from spiking_tasnet.separation.streaming.linking import Link, Linker

SHORTEST = 3.0  # seconds of an utterance
PAUSE = (4.0, 10.0)  # seconds
NOISE = 1e-4  # RMS of the pause
BLOCK = 4  # seconds, over which the order within speech is judged
GOOD = 3.0  # dB of gain on both sides: the talkers are there to be told


def utterances(list_file: Path, data: Path, rate: int) -> dict[str, list[Path]]:
    """Utterances of a list, by talker."""
    found = defaultdict(set)
    for line in list_file.read_text().splitlines():
        for word in line.split()[::2]:
            found[Path(word).parent.name].add(data / word)
    usable = {}
    for talker, paths in sorted(found.items()):
        infos = {path: soundfile.info(path) for path in sorted(paths)}
        usable[talker] = [path for path, info in infos.items() if info.duration >= SHORTEST and info.samplerate == rate]
    return {talker: paths for talker, paths in usable.items() if len(paths) >= 4}


def draw(talkers: dict[str, list[Path]], rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Sources (2, time) of `count` mixtures of one pair of talkers, one after the other."""
    names = [str(name) for name in rng.choice(sorted(talkers), 2, replace=False)]
    chosen = [rng.permutation(len(talkers[name]))[:count] for name in names]
    pieces = []
    for places in zip(*chosen, strict=True):
        pair = [soundfile.read(talkers[name][place])[0] for name, place in zip(names, places, strict=True)]
        gain = rng.uniform(-2.5, 2.5)
        pieces.append(mix(pair, [float(np.mean(signal**2)) for signal in pair], [gain, -gain])[1])
    return pieces


def gain_db(est_sources: np.ndarray, sources: np.ndarray) -> tuple[int, float]:
    """Which estimate the first talker is, and the mean gain in dB."""
    perm = best_permutation(est_sources, sources)
    gains = [si_sdr(est_sources[k], ref) - si_sdr(sources.sum(0), ref) for k, ref in zip(perm, sources, strict=True)]
    return perm[0], float(np.mean(gains))


def stream_all(stream, mixture: np.ndarray) -> np.ndarray:
    """All the stream gives."""
    return np.concatenate([stream.push(mixture), stream.finish()], axis=1)


def across_a_pause(separator: Separator, pieces: list[np.ndarray], rng: np.random.Generator) -> dict:
    """One case: was the network's own order wrong, is it after linking, and is it with the true sources?"""
    rate, (first, second) = separator.sample_rate, pieces
    pause = NOISE * rng.standard_normal((2, int(rng.uniform(*PAUSE) * rate)))
    sources = np.concatenate([first, pause, second], axis=1)
    stream = separator.stream(rate)
    found = stream_all(stream, sources.sum(0))
    start, end = first.shape[1], first.shape[1] + pause.shape[1]
    before, gain_before = gain_db(found[:, :start], first)
    after, gain_after = gain_db(found[:, end:], second)
    swapped = bool(rng.random() < 0.5)
    # A pause inside an utterance is a link too; the one that counts ends where the second mixture begins.
    link = _nearest(stream.links, end / rate)
    shuffled = _nearest(link_again(found, start, swapped, rate), end / rate)
    oracle = _nearest(link_again(sources, start, swapped, rate), end / rate)
    return {
        "own": (before != after) != link.swapped,
        "linked": before != after,
        "shuffled": shuffled.swapped != (swapped != (before != after)),
        "shuffled_uncertain": shuffled.uncertain,
        "oracle": oracle.swapped != swapped,
        "uncertain": link.uncertain,
        "oracle_uncertain": oracle.uncertain,
        "good": min(gain_before, gain_after) > GOOD,
    }


def link_again(sources: np.ndarray, start: int, swapped: bool, rate: int) -> list[Link]:
    """Links of sources (2, time) whose rows are swapped, or not, from sample `start` on."""
    linker = Linker(rate, 2)
    given = np.concatenate([sources[:, :start], sources[::-1, start:] if swapped else sources[:, start:]], axis=1)
    linker.push(np.concatenate([given.sum(0)[None], np.ones((1, given.shape[1])), given]).astype(np.float32))
    linker.finish()
    return linker.links


def _nearest(links: list[Link], seconds: float) -> Link:
    return min(links, key=lambda link: abs(link.time_s - seconds))


def within_speech(separator: Separator, pieces: list[np.ndarray]) -> list[bool]:
    """For each block of an unbroken mixture, whether its order is another one than that of the whole."""
    sources, block = np.concatenate(pieces, axis=1), BLOCK * separator.sample_rate
    with torch.no_grad():
        mixture = torch.from_numpy(sources.sum(0, keepdims=True).astype(np.float32))
        found = separator.network(mixture)[0].numpy()
    whole = gain_db(found, sources)[0]
    starts = range(0, sources.shape[1] - block + 1, block)
    blocks = [(found[:, start : start + block], sources[:, start : start + block]) for start in starts]
    heard = [(est, ref) for est, ref in blocks if (ref**2).mean(axis=1).min() > 1e-5]
    return [gain_db(est, ref)[0] != whole for est, ref in heard]


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="what the list's paths are relative to")
    parser.add_argument("--list", type=Path, required=True, help="mixture list in MERL's format")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--ann", action="store_true")
    parser.add_argument("--count", type=int, default=200, help="pairs of mixtures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rng, separator = np.random.default_rng(args.seed), Separator.load(args.model, args.ann)
    talkers = utterances(args.list, args.data, separator.sample_rate)
    cases = [across_a_pause(separator, draw(talkers, rng, 2), rng) for _ in range(args.count)]
    print(f"{len(talkers)} talkers, {len(cases)} pauses, seed {args.seed}; joined wrongly:\n")
    print("| | cases | network's own order | by voice | of these, certain | uncertain |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, chosen in (
        ("all", cases),
        (f"gain > {GOOD:g} dB on both sides", [case for case in cases if case["good"]]),
    ):
        row(name, chosen, "own", "linked", "uncertain")
    row("all, swapped at random", cases, None, "shuffled", "shuffled_uncertain")
    row("true sources, swapped at random", cases, None, "oracle", "oracle_uncertain")
    turned = [turn for _ in range(args.count // 4) for turn in within_speech(separator, draw(talkers, rng, 4))]
    print(f"\nwithin speech, no pause: {np.mean(turned):.3f} of {len(turned)} blocks of {BLOCK} s in another order")


def row(name: str, cases: list[dict], own: str | None, linked: str, uncertain: str) -> None:
    """Print one row of the table."""
    share = [np.mean([case[linked] for case in cases])]
    share.append(np.mean([case[linked] for case in cases if not case[uncertain]]))
    unsure = np.mean([case[uncertain] for case in cases])
    before = f"{np.mean([case[own] for case in cases]):.3f}" if own else ""
    print(f"| {name} | {len(cases)} | {before} | {share[0]:.3f} | {share[1]:.3f} | {unsure:.3f} |")


if __name__ == "__main__":
    main()

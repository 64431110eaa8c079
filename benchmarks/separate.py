"""Time of the whole separator, SNN against ANN, one clip at a time, interleaved in one run.

python -m benchmarks.separate [--model FILE | --ann FILE] [--sound FILE] [--steps N] [--rounds 5] [--threads 2]
    [--parts] [--small] [--out JSON]

--model is a packed file or exp/NAME; --ann is converted here without training, to N_s steps and 8-bit weights. Without
either the network has random weights and the paper's sizes (--small: those of egs/mini-2mix); a trained one may fire
more or less. A network of few bits is also timed with float32 weights of the same values, which fire nearly the same
spikes. A trained network needs speech: --sound. --parts shows where the time goes. With --threads 1 the time is the
processor's, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.networks import SMALL, mixtures, random_separator
from spiking_tasnet.files import write_json
from spiking_tasnet.models import NAMES, network_path
from spiking_tasnet.report.markdown import number, table
from spiking_tasnet.separation.audio.files import read_mono
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.separation.packed import load_network
from spiking_tasnet.snn import Constraints, convert, convertible_layers, keep_synapses, record_cost
from spiking_tasnet.snn.energy import spikes_per_neuron
from spiking_tasnet.training import run_facts

TARGETS = {(8, 8): 0.8, (8, 32): 1.3}  # N_s, bits -> of the ANN's time, at most, for a trained network


def converted(ann: TasNet, clip: Tensor, num_steps: int) -> TasNet:
    """The network with the neurons of conf/ptl_few.yaml and 8-bit weights, without training."""
    snn = copy.deepcopy(ann)
    constraints = Constraints(weight_bits=8, per_channel=True)
    with torch.no_grad():
        convert(
            snn,
            lambda: snn(clip),
            num_steps=num_steps,
            v_init=0.5,
            firing="phased",
            channel_wise=True,
            constraints=constraints,
        )
    return snn


def with_float_weights(snn: TasNet) -> TasNet:
    """The same spiking network without the limit on bits."""
    snn = copy.deepcopy(snn)
    for layer in convertible_layers(snn).values():
        constraints = dataclasses.replace(layer.settings.constraints, weight_bits=0)
        layer.set_extra_state(dataclasses.asdict(dataclasses.replace(layer.settings, constraints=constraints)))
    return snn


def name_of(snn: TasNet) -> str:
    """SNN, its N_s and its weights."""
    steps, bits = _steps_and_bits(snn)
    return f"SNN, N_s = {steps}, {f'{bits}-bit weights' if bits < 32 else 'float32'}"


def networks(args: argparse.Namespace) -> dict[str, TasNet]:
    """The ANN, the SNN, and where that has few bits the same one with float32 weights.

    Raises:
        FileNotFoundError, ValueError: no such model, or one of another kind.
    """
    if args.model:
        model = network_path(args.model)
        paths = {system: model / system / "model.pt" if model.is_dir() else model for system in ("ann", "snn")}
        ann, snn = load_network(paths["ann"], ann=True), load_network(paths["snn"])
    else:
        ann = load_network(args.ann, ann=True) if args.ann else random_separator(SMALL if args.small else ModelConfig())
        snn = converted(ann, read_clip(args, ann), args.steps)
    if ann.is_spiking or not snn.is_spiking:
        raise ValueError("an ANN and an SNN expected; --ann for a network that is not converted")
    found = {"ANN": ann, name_of(snn): snn}
    if _steps_and_bits(snn)[1] < 32:
        plain = with_float_weights(snn)
        found[name_of(plain)] = plain
    for network in found.values():
        keep_synapses(network)
    return found


def read_clip(args: argparse.Namespace, network: TasNet) -> Tensor:
    """The beginning of the sound, or noise in the rhythm of speech, (1, time)."""
    rate = network.config.sample_rate
    if not args.sound:
        return mixtures(1, args.seconds, rate, seed=1)
    samples, _ = read_mono(args.sound, rate)
    return torch.from_numpy(samples)[None, : round(args.seconds * rate)]


def parts(network: TasNet) -> dict[str, nn.Module]:
    """Modules whose time is shown, by name."""
    layers = {f"layer {place}": layer for place, layer in enumerate(network.separator)}
    return {"encoder": network.encoder, "norm": network.norm} | layers | {"mask": network.mask}


class PartClock:
    """Times the parts of a network while it runs.

    Attributes:
        ms: of each part, a value a run.
    """

    def __init__(self, network: TasNet):
        self.ms: dict[str, list[float]] = {}
        self._handles = []
        for name, module in parts(network).items():
            self._handles += [
                module.register_forward_pre_hook(lambda *_, name=name: self._begin(name)),
                module.register_forward_hook(lambda *_, name=name: self._end(name)),
            ]

    def _begin(self, name: str) -> None:
        self.ms.setdefault(name, []).append(-1e3 * now())

    def _end(self, name: str) -> None:
        self.ms[name][-1] += 1e3 * now()

    def close(self) -> None:
        """Take the clocks out of the network."""
        for handle in self._handles:
            handle.remove()


@torch.no_grad()
def time_parts(network: TasNet, clip: Tensor, rounds: int) -> dict[str, float]:
    """Medians in ms of each part, and of all that is behind the masks."""
    clock, rest = PartClock(network), []
    for _ in range(rounds):
        began = now()
        network(clip)
        rest.append(1e3 * (now() - began) - sum(times[-1] for times in clock.ms.values()))
    clock.close()
    return {name: statistics.median(times) for name, times in {**clock.ms, "sigmoid, decoder": rest}.items()}


def now() -> float:
    """Seconds: of the processor where there is one thread, else of the wall clock."""
    return time.thread_time() if torch.get_num_threads() == 1 else time.perf_counter()


@torch.no_grad()
def time_whole(found: Mapping[str, TasNet], clip: Tensor, rounds: int) -> dict[str, float]:
    """Median seconds of each network, one after the other in every round; the first round does not count."""
    spent: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds + 1):
        for name, network in found.items():
            began = now()
            network(clip)
            spent[name].append(now() - began)
    return {name: statistics.median(times[1:]) for name, times in spent.items()}


@torch.no_grad()
def spikes_in(network: TasNet, clip: Tensor) -> float | None:
    """Spikes per neuron, mean over all neurons that spike; None of an ANN."""
    with record_cost(network) as costs:
        network(clip)
    return spikes_per_neuron(costs.values())


def main() -> None:
    """Print a row a network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help=f"packed file, experiment folder, or {NAMES}")
    parser.add_argument("--ann", type=Path, metavar="FILE", help="ANN to convert here without training")
    parser.add_argument("--sound", type=Path, metavar="FILE", help="a mixture at the network's rate (default: noise)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the clip")
    parser.add_argument("--steps", type=int, default=32, metavar="N", help="N_s of what is converted here")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="default: all cores")
    parser.add_argument("--small", action="store_true", help="the sizes of egs/mini-2mix")
    parser.add_argument("--parts", action="store_true", help="also ms of each part of the networks")
    parser.add_argument("--out", type=Path, metavar="JSON", help="file to write the times to, for the model card")
    args = parser.parse_args()
    if args.model and args.ann:
        raise ValueError("--model and --ann found, one of them expected")
    if args.threads:
        torch.set_num_threads(args.threads)
    found = networks(args)
    clip = read_clip(args, found["ANN"])
    seconds = clip.shape[-1] / found["ANN"].config.sample_rate
    medians = time_whole(found, clip, args.rounds)
    measured, rows = [], []
    for name, median in medians.items():
        spiking = found[name].is_spiking
        spikes = spikes_in(found[name], clip) if spiking else None
        target = TARGETS.get(_steps_and_bits(found[name])) if spiking and (args.model or args.ann) else None
        facts = {"ms": median * 1e3, "real_time_factor": median / seconds, "ratio": median / medians["ANN"]}
        measured.append({"network": name, **facts, "spikes_per_neuron": spikes})
        cells = [*zip(facts.values(), (1, 4, 2), strict=True), (target, 1), (spikes, 2)]
        rows.append([name, *(number(*cell) for cell in cells)])
    if args.out:
        machine = run_facts(seed=0).as_dict()["machine"]
        about = {"seconds": seconds, "threads": torch.get_num_threads(), "rounds": args.rounds, "machine": machine}
        write_json(args.out, about | {"networks": measured})
    print(f"{seconds:g} s clip, batch 1, {torch.get_num_threads()} threads\n")
    print(table(["network", "ms", "real-time factor", "x ANN", "aim", "spikes per neuron"], rows))
    if args.parts:
        by_network = {name: time_parts(network, clip, args.rounds) for name, network in found.items()}
        rows = [[part, *(number(times[part], 2) for times in by_network.values())] for part in by_network["ANN"]]
        print("\n" + table(["ms", *by_network], rows))


def _steps_and_bits(snn: TasNet) -> tuple[int, int]:
    """N_s, and bits of a weight: 32 where they are not limited."""
    settings = [layer.settings for layer in convertible_layers(snn).values()]
    return max(one.num_steps for one in settings), settings[0].constraints.weight_bits or 32


if __name__ == "__main__":
    main()

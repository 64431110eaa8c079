"""Figures of a spiking separator beside its ANN on any test sets: what a model card and RESULTS.md quote.

python -m benchmarks.model_figures --model FILE --open NAME=DIR [--open NAME=DIR] [--closed NAME=DIR] --out DIR
    [--ann FILE --snn FILE] [--utterances TSV] [--limit N] [--threads 1] [--jobs 1]

Separates and scores every mixture with both networks (SI-SDR, PESQ, STOI), counts spikes, operations and energy of the
spiking one, writes OUT/figures.json and prints tables. Mixtures that are done are not done again. OUT/NAME is laid out
as an experiment folder, so `spiking-tasnet report --exp OUT/NAME --page` makes a listening page of it.
"""

from __future__ import annotations

import argparse
import csv
import logging
import re
import shlex
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch

from spiking_tasnet.files import read_json, write_json
from spiking_tasnet.models import NAMES, network_path
from spiking_tasnet.report.markdown import difference, number, table
from spiking_tasnet.report.run_facts import without_places
from spiking_tasnet.separation.corpora.kaldi import Utterance, read_data_dir, write_data_dir
from spiking_tasnet.separation.packed import load_network, read_facts, training_facts
from spiking_tasnet.separation.report.results import CONDITIONS, SYSTEMS
from spiking_tasnet.separation.scores.means import summarise
from spiking_tasnet.separation.scores.rows import ScoreRow, write_scores
from spiking_tasnet.separation.scores.score_set import lost_mixtures, score_set
from spiking_tasnet.separation.separate_set import separate_set
from spiking_tasnet.snn import convertible_layers
from spiking_tasnet.training import run_facts

METRICS = ("si_sdr", "pesq", "stoi")
KINDS = {"FM": "woman and man", "MM": "two men", "FF": "two women"}
ID = re.compile(r"(.+)_-?[\d.]+(?:e-?\d+)?_(.+)_-?[\d.]+(?:e-?\d+)?")  # of a mixture: name, gain, name, gain
FEWEST = 10  # mixtures of a language that has a row of its own
OTHERS = "others"


class MixtureSet(NamedTuple):
    """A Kaldi data folder of mixtures: `open` of talkers never heard, `closed` of talkers heard in training."""

    corpus: str
    condition: str
    folder: Path


class Model(NamedTuple):
    """A network: its file, and whether the ANN is to be taken from it where it holds both."""

    path: Path
    ann: bool


def measure(
    models: Mapping[str, Model],
    sets: Sequence[MixtureSet],
    out: Path,
    languages: Mapping[str, str],
    limit: int = 0,
    jobs: int = 1,
) -> dict[str, Any]:
    """Separate, score and average all sets.

    Args:
        models: ``ann`` and ``snn``.
        sets: no two of one corpus and condition.
        out: folder of separated audio, scores and figures.json.
        languages: name of a recording, without folder and ending -> its language.
        limit: mixtures of each set, spread over it; 0 for all.
        jobs: processes of the scoring.

    Returns:
        What figures.json holds.

    Raises:
        FileNotFoundError, ValueError: a model or data that cannot be used.
    """
    corpora: dict[str, dict[str, Any]] = {}
    for one in sets:
        corpora.setdefault(one.corpus, {})[one.condition] = _measure_set(models, one, out, languages, limit, jobs)
    run = run_facts(seed=0).as_dict()
    return {
        "model": describe(models),
        "facts": facts_of(models),
        "corpora": corpora,
        "measured": {key: run[key] for key in ("versions", "commit", "dirty", "machine")},
    }


def describe(models: Mapping[str, Model]) -> dict[str, Any]:
    """Sizes of the networks and the settings of their spikes."""
    snn = load_network(models["snn"].path)
    layers = list(convertible_layers(snn).values())
    neurons = [layer.settings for layer in layers if layer.is_spiking]
    if not neurons:
        raise ValueError(f"{models['snn'].path}: no spiking layer found, a converted network expected")
    return {
        "file": models["snn"].path.name,
        "bytes": models["snn"].path.stat().st_size,
        "holds_both": models["snn"].path == models["ann"].path,
        "parameters": sum(values.numel() for values in snn.parameters()),
        "sizes": asdict(snn.config),
        "receptive_field_s": snn.receptive_field / snn.config.sample_rate,
        "num_steps": neurons[0].num_steps,
        "v_init": neurons[0].v_init,
        "encoding": neurons[0].encoding,
        "firing": neurons[-1].firing,
        "weight_bits": neurons[0].constraints.weight_bits,
    }


def facts_of(models: Mapping[str, Model]) -> dict[str, Any]:
    """What a packed file says of its training, or what lies beside the models."""
    if models["snn"].path == models["ann"].path:
        return read_facts(models["snn"].path)
    return training_facts({system: model.path for system, model in models.items()})


def _measure_set(
    models: Mapping[str, Model], one: MixtureSet, out: Path, languages: Mapping[str, str], limit: int, jobs: int
) -> dict[str, Any]:
    subset, root = CONDITIONS[one.condition], out / one.corpus
    utterances = read_data_dir(one.folder)
    folder = one.folder
    if limit and limit < len(utterances):
        utterances, folder = spread(utterances, limit), root / "some" / subset
        write_data_dir(folder, utterances)
    cost_file = root / "snn" / f"cost_{subset}.json"
    rows: dict[str, list[ScoreRow]] = {}
    for system in SYSTEMS:
        estimates = None
        if system in models:
            estimates, model = root / "separated" / system / subset, models[system]
            cost = cost_file if system == "snn" else None
            separate_set(folder, model.path, estimates, cost, ann=model.ann)
        path = root / "scores" / f"{system}_{subset}.csv"
        rows[system] = score_set(folder, estimates, METRICS, jobs, keep=path.with_name(f"{path.name}.rows"))
        if lost := lost_mixtures(rows[system]):
            raise ValueError(f"{path}: {len(lost)} mixtures were lost ({next(iter(lost.values()))}); run this again")
        write_scores(path, rows[system])
    cost = read_json(cost_file)
    groups = by_kind(rows["mixture"])
    tongues = by_language(utterances, languages)
    return {
        "mixtures": len(utterances),
        "audio_seconds": cost["audio_seconds"],
        "talkers": len({talker for utterance in utterances for talker in utterance.talkers}),
        "gains": {group: means(rows, names) for group, names in {"all": None, **groups}.items()},
        "languages": {language: means(rows, names) for language, names in tongues.items()},
        "cost": {"spikes_per_neuron": spikes_per_neuron(cost), **cost["total"]},
        "layers": cost["layers"],
        "assumed": {key: cost[key] for key in ("mac_joule", "ac_joule", "source")},
    }


def spread(utterances: Sequence[Utterance], count: int) -> list[Utterance]:
    """`count` of them at equal distances."""
    return [utterances[place * len(utterances) // count] for place in range(count)]


def means(rows: Mapping[str, Sequence[ScoreRow]], names: set[str] | None) -> dict[str, dict[str, Any]]:
    """Mean scores of each system over the mixtures of these names; None for all."""
    found = {}
    for system, some in rows.items():
        mine = summarise([row for row in some if names is None or row.utt in names])["overall"]
        found[system] = {"n": mine.n} | {key: mine.score(key) for key in ("si_sdr", "si_sdr_i", "pesq", "stoi")}
    return found


def by_kind(rows: Iterable[ScoreRow]) -> dict[str, set[str]]:
    """Names of the mixtures of two men, of two women, of a woman and a man."""
    kinds: dict[str, set[str]] = {}
    for row in rows:
        kind = KINDS.get("".join(sorted(row.genders)))
        if kind:
            kinds.setdefault(kind, set()).add(row.utt)
    return {kind: kinds[kind] for kind in KINDS.values() if kind in kinds}


def by_language(utterances: Iterable[Utterance], languages: Mapping[str, str]) -> dict[str, set[str]]:
    """Names of the mixtures in which each language is spoken, by one talker or both; the most frequent first.

    Languages of fewer than `FEWEST` mixtures are one group. Empty where all speak one language, or none is known.
    """
    spoken: dict[str, set[str]] = {}
    for utterance in utterances:
        for name in recordings(utterance.id):
            if name in languages:
                spoken.setdefault(languages[name], set()).add(utterance.id)
    rare = [language for language, names in spoken.items() if len(names) < FEWEST]
    if rare and len(spoken) > 1:
        spoken[OTHERS] = set().union(*(spoken.pop(language) for language in rare))
    if len(spoken) < 2:
        return {}
    order = sorted(spoken, key=lambda language: (language == OTHERS, -len(spoken[language]), language))
    return {language: spoken[language] for language in order}


def recordings(mixture: str) -> tuple[str, ...]:
    """Names of the two recordings in the id of a mixture as MERL's lists give it.

    Examples:
        >>> recordings("lsdev0001_00_0.3428_lsdev0011_15_-0.3428")
        ('lsdev0001_00', 'lsdev0011_15')
    """
    found = ID.fullmatch(mixture)
    return found.groups() if found else ()


def read_languages(path: Path) -> dict[str, str]:
    """Language of each recording, by its name without folder and ending, of a TSV with columns `path`, `language`."""
    with open(path, newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream, delimiter="\t")
        if not {"path", "language"} <= {*(reader.fieldnames or ())}:
            raise ValueError(f"{path}: columns path and language expected, {reader.fieldnames} found")
        return {Path(row["path"]).stem: row["language"] for row in reader}


def spikes_per_neuron(cost: Mapping[str, Any]) -> float:
    """Mean over all neurons that spike, in a window of N_s steps."""
    firing = [layer for layer in cost["layers"] if layer["neuron_updates_per_s"]]
    updates = sum(layer["neuron_updates_per_s"] for layer in firing)
    return sum(layer["spikes_per_neuron"] * layer["neuron_updates_per_s"] for layer in firing) / updates


def tables(figures: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    parts = []
    for corpus, conditions in figures["corpora"].items():
        for condition, found in conditions.items():
            title = f"{corpus}, {condition} condition: {found['mixtures']} mixtures of {found['talkers']} talkers"
            parts += [f"### {title}", gain_table("mixtures", found["gains"]), cost_sentence(found, figures["model"])]
            if found["languages"]:
                parts.append(gain_table("language", found["languages"]))
    return "\n\n".join(parts)


def gain_table(first: str, groups: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """SI-SDRi and PESQ of both networks, a row a group."""
    header = [first, "n", "SI-SDRi ANN", "SNN", "SNN - ANN", "PESQ mixture", "ANN", "SNN", "SNN - ANN"]
    rows = []
    for group, systems in groups.items():
        mixture, ann, snn = (systems[system] for system in SYSTEMS)
        gains = [number(system["si_sdr_i"], 2, sign=True) for system in (ann, snn)]
        gains.append(difference(snn["si_sdr_i"], ann["si_sdr_i"], 2))
        quality = [number(system["pesq"], 2) for system in (mixture, ann, snn)]
        quality.append(difference(snn["pesq"], ann["pesq"], 2))
        rows.append([group, str(mixture["n"]), *gains, *quality])
    return table(header, rows)


def cost_sentence(found: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """What the spikes cost, against the ANN."""
    cost = found["cost"]
    spikes, synops = number(cost["spikes_per_neuron"], 2), number(cost["synops_ratio"], 2)
    snn, ann = (number(1e3 * cost[f"{system}_energy_j_per_s"], 3) for system in ("snn", "ann"))
    return (
        f"N_s = {model['num_steps']}, weights of {model['weight_bits'] or 32} bits: {spikes} spikes per neuron; "
        f"{synops} SynOps per MAC of the layers that spikes drive; "
        f"energy {number(cost['energy_ratio'], 3)} of the ANN's, "
        f"analog head and tail included ({snn} against {ann} mJ per second of audio)."
    )


def read_sets(args: argparse.Namespace) -> list[MixtureSet]:
    """The sets of --open and --closed.

    Raises:
        ValueError: not NAME=DIR, a name that is no plain word, a set given twice, or none.
    """
    sets = []
    for condition in CONDITIONS:
        for text in getattr(args, condition):
            corpus, equals, folder = text.partition("=")
            if not equals or not re.fullmatch(r"[\w.-]+", corpus) or corpus.startswith("."):
                raise ValueError(f"--{condition} {text}: NAME=DIR expected")
            sets.append(MixtureSet(corpus, condition, Path(folder)))
    twice = len({one[:2] for one in sets}) < len(sets)
    if not sets or twice:
        raise ValueError(f"{'a name twice' if twice else 'no set'} found; give --open NAME=DIR, each name once")
    return sets


def read_models(args: argparse.Namespace) -> dict[str, Model]:
    """ANN and SNN, of a packed file or of two files.

    Raises:
        ValueError: neither, or both.
    """
    if bool(args.model) == bool(args.ann or args.snn) or bool(args.ann) != bool(args.snn):
        raise ValueError("--model FILE, or --ann FILE and --snn FILE expected")
    paths = {"ann": network_path(args.ann or args.model), "snn": network_path(args.snn or args.model)}
    paths = {system: path / "model.pt" if path.is_dir() else path for system, path in paths.items()}
    return {system: Model(path, system == "ann" and bool(args.model)) for system, path in paths.items()}


def main() -> None:
    """Measure, write figures.json, print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, metavar="FILE", help=f"packed file of both networks, or {NAMES}")
    parser.add_argument("--ann", type=Path, metavar="FILE", help="model.pt, or its folder")
    parser.add_argument("--snn", type=Path, metavar="FILE", help="model.pt, or its folder")
    for condition, talkers in (("open", "never heard"), ("closed", "heard in training")):
        told = f"Kaldi data folder of talkers {talkers}; may be repeated"
        parser.add_argument(f"--{condition}", action="append", default=[], metavar="NAME=DIR", help=told)
    parser.add_argument("--utterances", type=Path, metavar="TSV", help="columns path and language of the recordings")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="mixtures of each set (default: all)")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes of the scoring")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(args.threads)
    began = time.monotonic()
    languages = read_languages(args.utterances) if args.utterances else {}
    figures = measure(read_models(args), read_sets(args), args.out, languages, args.limit, args.jobs)
    command = shlex.join(["python", "-m", "benchmarks.model_figures", *sys.argv[1:]])
    figures["measured"] |= {"command": _short(command), "minutes": (time.monotonic() - began) / 60}
    write_json(args.out / "figures.json", figures)
    print(tables(figures))


def _short(command: str) -> str:
    """A command without the machine's folders."""
    words = (re.sub(r"(?<==)/\S*/(?=[^/]+/[^/]+$)", "", word) for word in command.split(" "))
    return str(without_places(" ".join(words)))


if __name__ == "__main__":
    main()

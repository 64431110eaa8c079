"""Stage 0 from a folder of talkers: split them into training, dev and test, draw lists, cache the training speech.

Training needs no mixture files: `on_the_fly` mixes from the cache. Dev and test are lists in MERL's format, mixed to
files as for every other corpus.
"""

from __future__ import annotations

import csv
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spiking_tasnet.files import read_json, write_json, write_text
from spiking_tasnet.separation.audio.formats import READ
from spiking_tasnet.separation.corpora.merl import MerlSpec, build_mixtures
from spiking_tasnet.separation.corpora.merl_lists import read_list
from spiking_tasnet.separation.corpora.speech_cache import Recording, SpeechCache, write_cache

logger = logging.getLogger(__name__)
CACHE, NOISE, LISTS, ABOUT = "talkers", "noise", "lists", "talkers.json"
HELD_OUT = ("cv", "tt")  # subsets that are mixed to files
MAX_GAIN_DB = 2.5  # of one talker against the mean of both; so levels differ by up to 5 dB
SPEECH = READ - {".wv2"}  # the far microphone of WSJ0, beside the near one


@dataclass(frozen=True)
class TalkersSpec:
    """What to make of a folder of talkers.

    Attributes:
        talkers: a folder of single-talker recordings, one folder per talker. With `mix_2_spk_cv.txt` and
            `mix_2_spk_tt.txt` in it these are dev and test; otherwise talkers are drawn.
        data_dir: gets `talkers/` (the cache), `lists/`, `wav8k/...` and the Kaldi folders `cv`, `tt`.
        extra: further folders of talkers, for training only, without what their own cv and tt lists name.
        noise: a folder of noise recordings, for training.
        sample_rate: Hz.
        dev_mixtures: mixtures of the dev list that is drawn.
        test_mixtures: mixtures of the test list that is drawn.
        seed: of the draws.
    """

    talkers: Path
    data_dir: Path
    extra: Sequence[Path] = field(default_factory=tuple)
    noise: Path | None = None
    sample_rate: int = 8000
    dev_mixtures: int = 300
    test_mixtures: int = 300
    seed: int = 0


@dataclass(frozen=True)
class Speech:
    """A file of one talker: its path below the folder, who speaks, and the corpus it belongs to."""

    path: str
    talker: str
    corpus: str


def build_talkers(spec: TalkersSpec, jobs: int | None = None) -> None:
    """Make the cache, the lists and the mixtures of dev and test. What is there already is not made again.

    Raises:
        FileNotFoundError: no such folder, or no sound files in it.
        ValueError: too few talkers; a data folder made from others is already there.
    """
    check_settings(spec)
    speech = find_speech(spec.talkers)
    lists = spec.data_dir / LISTS
    if all((spec.talkers / f"mix_2_spk_{subset}.txt").is_file() for subset in HELD_OUT):
        for subset in HELD_OUT:
            text = (spec.talkers / f"mix_2_spk_{subset}.txt").read_text(encoding="utf-8")
            write_text(lists / f"mix_2_spk_{subset}.txt", text)
    else:
        draw_lists(spec, speech, lists)
    files = [Recording(spec.talkers / item.path, item.talker, item.corpus) for item in training_speech(speech, lists)]
    for folder in spec.extra:
        found = training_speech(find_speech(folder), folder)
        # A talker of two corpora would be two people with one name.
        files += [Recording(folder / item.path, f"{folder.name}/{item.talker}", item.corpus) for item in found]
    if not (spec.data_dir / CACHE / "speech.tsv").exists():
        write_cache(spec.data_dir / CACHE, files, spec.sample_rate, jobs)
    if spec.noise and not (spec.data_dir / NOISE / "speech.tsv").exists():
        noise = [Recording(path) for path in sound_files(spec.noise)]
        write_cache(spec.data_dir / NOISE, noise, spec.sample_rate, jobs, what="noise")
    cache = SpeechCache(spec.data_dir / CACHE)
    talkers = {clip.talker for clip in cache.clips}
    logger.info("training: %d talkers, %d utterances, %.2f h", len(talkers), len(cache.clips), cache.hours)
    build_mixtures(MerlSpec(spec.talkers, lists, spec.data_dir, sample_rate=spec.sample_rate, subsets=HELD_OUT), jobs)


def check_settings(spec: TalkersSpec) -> None:
    """Keep data of different settings apart."""
    settings = {
        "talkers": str(spec.talkers.resolve()),
        "extra": [str(folder.resolve()) for folder in spec.extra],
        "noise": str(spec.noise.resolve()) if spec.noise else "",
        "sample_rate": spec.sample_rate,
        "dev_mixtures": spec.dev_mixtures,
        "test_mixtures": spec.test_mixtures,
        "seed": spec.seed,
    }
    path = spec.data_dir / ABOUT
    if path.exists() and (found := read_json(path)) != settings:
        key = next(key for key in settings if found.get(key) != settings[key])
        raise ValueError(
            f"{spec.data_dir}: data of {key} {found.get(key)!r} found, {settings[key]!r} expected; "
            "remove that folder or give another data folder"
        )
    write_json(path, settings)


def sound_files(folder: Path) -> list[Path]:
    """Every sound file below a folder, sorted; hidden files and folders are left out.

    Raises:
        FileNotFoundError: no such folder, or no sound file in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; name one that holds sound files")
    found = sorted(_walk(folder))
    if not found:
        raise FileNotFoundError(f"{folder}: no sound files found; WAV, FLAC, Ogg and the like expected")
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        elif path.suffix.lower() in SPEECH and path.is_file():
            yield path


def find_speech(folder: Path) -> list[Speech]:
    """Every file below `folder` and who speaks in it.

    A table `utterances.tsv` with the columns `path` and `talker` decides where there is one, and its column `corpus` if
    it has one. Otherwise the talker is the folder that holds the file, and all of `folder` is one corpus.

    Raises:
        FileNotFoundError: as `sound_files`, or a file of the table is missing.
        ValueError: a file that lies in no talker's folder.
    """
    table = folder / "utterances.tsv"
    if table.is_file():
        with open(table, newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        if not rows or not {"path", "talker"} <= rows[0].keys():
            raise ValueError(f"{table}: the columns path and talker are expected")
        absent = [row["path"] for row in rows if not (folder / row["path"]).is_file()]
        if absent:
            missing = f"{len(absent)} of {len(rows)} files are missing, the first is {absent[0]}"
            raise FileNotFoundError(f"{table}: {missing}")
        return [Speech(row["path"], row["talker"], row.get("corpus") or folder.name) for row in rows]
    paths = [path.relative_to(folder) for path in sound_files(folder)]
    loose = next((path for path in paths if path.parent == Path(".")), None)
    if loose is not None:
        raise ValueError(f"{folder / loose}: a file outside any folder found; one folder per talker expected")
    return [Speech(path.as_posix(), path.parent.name, folder.name) for path in paths]


def training_speech(speech: Sequence[Speech], lists: Path) -> list[Speech]:
    """The files that neither list names and no test talker speaks; all files if there are no lists."""
    dev, test = (_named(lists / f"mix_2_spk_{subset}.txt") for subset in HELD_OUT)
    unseen = {item.talker for item in speech if item.path in test} | {Path(path).parent.name for path in test}
    return [item for item in speech if item.path not in dev | test and item.talker not in unseen]


def _named(path: Path) -> set[str]:
    return {name for line in read_list(path) for name in line.paths} if path.is_file() else set()


def draw_lists(spec: TalkersSpec, speech: Sequence[Speech], lists: Path) -> None:
    """Draw test talkers, and dev utterances of the others, and write both lists.

    A tenth of the talkers, at least 2 and at most 20, are for the test. One utterance in twenty of each other talker
    who has at least two, at least one, is for dev.

    Raises:
        ValueError: fewer than 4 talkers.
    """
    by_talker: dict[str, list[str]] = defaultdict(list)
    for item in speech:
        if len(item.path.split()) == 1:  # a list cannot name a path with spaces
            by_talker[item.talker].append(item.path)
    talkers = sorted(by_talker)
    if len(talkers) < 4:
        raise ValueError(f"{spec.talkers}: {len(talkers)} talkers found, at least 4 expected (2 of them for the test)")
    random = np.random.default_rng(spec.seed)
    order = [talkers[index] for index in random.permutation(len(talkers))]
    n_test = min(max(len(talkers) // 10, 2), 20)
    test = {talker: by_talker[talker] for talker in order[:n_test]}
    dev = {}
    for talker in order[n_test:]:
        paths = sorted(by_talker[talker])
        if len(paths) > 1:
            dev[talker] = [paths[index] for index in random.permutation(len(paths))[: max(1, len(paths) // 20)]]
    if len(dev) < 2:
        raise ValueError(f"{spec.talkers}: dev needs two talkers of two utterances each; add recordings")
    for subset, pool, count in (("cv", dev, spec.dev_mixtures), ("tt", test, spec.test_mixtures)):
        write_text(lists / f"mix_2_spk_{subset}.txt", "".join(_draw_lines(pool, count, random)))


def _draw_lines(pool: dict[str, list[str]], count: int, random: np.random.Generator) -> Iterator[str]:
    """Lines of distinct pairs of files of different talkers; fewer than `count` where there are not as many."""
    taken: set[tuple[str, str]] = set()
    talkers = sorted(pool)
    for _ in range(50 * count):
        if len(taken) == count:
            return
        one, two = (talkers[index] for index in random.choice(len(talkers), 2, replace=False))
        pair = tuple(str(random.choice(pool[talker])) for talker in (one, two))
        stems = Path(pair[0]).stem, Path(pair[1]).stem
        if stems in taken:  # MERL names a mixture by the stems of its files
            continue
        taken.add(stems)
        gain = round(float(random.uniform(0, MAX_GAIN_DB)), 4)
        yield f"{pair[0]} {gain} {pair[1]} {-gain}\n"

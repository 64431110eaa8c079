"""Synthesise the corpus of mini-2mix with espeak-ng, shaped like WSJ0 so that the shared mixing stage runs on it.

    CORPUS/mini/si_tr_s/<talker>/<talker>_<nnn>.wav   training talkers, 8 kHz, int16
    CORPUS/mini/si_et_05/<talker>/<talker>_<nnn>.wav  test talkers: other voices, other sentences
    CORPUS/mini/doc/spkrinfo.txt                      talker, sex, age (unknown), set
    CORPUS/mini/doc/talkers.json                      every talker's voice
    CORPUS/mini/doc/sentences.txt                     what is said: utterance, sentence
    CORPUS/mix_2_spk_{tr,cv,tt}.txt                   mixture lists in MERL's format, written last

The same options give the same bytes, in whatever order and on however many processes the talkers are spoken. A run
that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent))  # `python -P` leaves the script's folder out
from espeak import data_path  # noqa: E402
from isolate import run_isolated  # noqa: E402
from pairs import draw_mixtures  # noqa: E402
from sentences import draw_sentences  # noqa: E402
from speak import speak_talker  # noqa: E402
from talkers import Talker, draw_talkers  # noqa: E402

from spiking_tasnet.files import read_json, write_json, write_text  # noqa: E402
from spiking_tasnet.progress import Progress  # noqa: E402

PLAN_VERSION = 1  # raise it when the same options no longer give the same sound
SUBSETS = ("tr", "cv", "tt")


@dataclass(frozen=True)
class Settings:
    """What decides the corpus; stored beside it, so that one folder never holds two.

    Attributes:
        seed: of all choices.
        train_talkers, test_talkers: how many of each.
        utterances: of each training talker; one in eight is kept for cv.
        test_utterances: of each test talker.
        mixtures: lines of the tr, cv and tt lists.
        sample_rate: in Hz.
    """

    seed: int = 0
    train_talkers: int = 144
    test_talkers: int = 16
    utterances: int = 16
    test_utterances: int = 8
    mixtures: tuple[int, int, int] = (3000, 120, 120)
    sample_rate: int = 8000

    def __post_init__(self) -> None:
        """Check the sizes."""
        if self.utterances < 2 or self.test_utterances < 1:
            raise ValueError(
                f"--utterances {self.utterances}, --test-utterances {self.test_utterances}: expected at least "
                "2 and 1, as tr and cv need one each; give larger numbers"
            )
        if len(self.mixtures) != len(SUBSETS) or min(self.mixtures) < 1:
            raise ValueError(f"--mixtures {self.mixtures}: expected three positive numbers, such as 3000,120,120")
        if not 6000 <= self.sample_rate <= 22050:
            raise ValueError(f"--sample-rate {self.sample_rate}: expected 6000 to 22050 Hz, what espeak-ng can fill")

    @property
    def cv_utterances(self) -> int:
        """Utterances of each training talker that only cv uses."""
        return max(1, round(self.utterances / 8))


def plan_utterances(settings: Settings) -> list[tuple[Talker, dict[str, str]]]:
    """Return every talker with what they say, `{"mini/si_tr_s/t001/t001_001.wav": "..."}`; no sentence comes twice."""
    talkers = draw_talkers(settings.train_talkers, settings.test_talkers, settings.seed)
    counts = [settings.utterances if t.subset == "si_tr_s" else settings.test_utterances for t in talkers]
    sentences = iter(draw_sentences(sum(counts), settings.seed))
    return [
        (t, {f"mini/{t.subset}/{t.id}/{t.id}_{i + 1:03d}.wav": next(sentences) for i in range(count)})
        for t, count in zip(talkers, counts, strict=True)
    ]


def plan_lists(plan: list[tuple[Talker, dict[str, str]]], settings: Settings) -> dict[str, list[str]]:
    """Return the lines of each mixture list."""
    paths: dict[str, dict[str, dict[str, list[str]]]] = {subset: {"M": {}, "F": {}} for subset in SUBSETS}
    for talker, sentences in plan:
        own = list(sentences)
        if talker.subset == "si_et_05":
            paths["tt"][talker.gender][talker.id] = own
        else:
            paths["tr"][talker.gender][talker.id] = own[: -settings.cv_utterances]
            paths["cv"][talker.gender][talker.id] = own[-settings.cv_utterances :]
    return {
        subset: draw_mixtures(paths[subset], number, np.random.default_rng([settings.seed, 3, index]))
        for index, (subset, number) in enumerate(zip(SUBSETS, settings.mixtures, strict=True))
    }


def synthesise(out: Path, settings: Settings, jobs: int = 2) -> None:
    """Write the corpus to `out`.

    Raises:
        ValueError: `out` holds a corpus of other settings, or the settings cannot be met.
        OSError: espeak-ng is not installed, or `out` cannot be written.
    """
    plan = plan_utterances(settings)
    lists = plan_lists(plan, settings)
    doc = out / "mini" / "doc"
    tasks = [(out, talker, sentences, settings.seed, settings.sample_rate) for talker, sentences in plan]
    pending = [task for task in tasks if not all((out / path).is_file() for path in task[2])]
    if pending:
        data_path()  # say at once that espeak-ng is missing
    _claim(doc / "settings.json", settings)
    total = sum(len(task[2]) for task in pending)
    with Progress(total, "espeak-ng", "sentence") as progress:
        for n_spoken in run_isolated(speak_talker, pending, jobs, preload=("speak",)):
            progress.update(n_spoken)
    lines = ["; Talkers of mini-2mix, spoken by espeak-ng", ";ID    G  AGE  SET"]
    lines += [f"{t.id:<6} {t.gender}  ?    {t.subset}" for t, _ in plan]
    write_text(doc / "spkrinfo.txt", "\n".join(lines) + "\n")
    write_json(doc / "talkers.json", [t.as_dict() for t, _ in plan])
    said = [f"{Path(path).stem} {sentence}" for _, sentences in plan for path, sentence in sentences.items()]
    write_text(doc / "sentences.txt", "\n".join(said) + "\n")
    for subset in SUBSETS:
        write_text(out / f"mix_2_spk_{subset}.txt", "\n".join(lists[subset]) + "\n")


def _claim(path: Path, settings: Settings) -> None:
    """Store the settings, or check that those stored are the same."""
    wanted = {"plan_version": PLAN_VERSION, **vars(settings), "mixtures": list(settings.mixtures)}
    if not path.exists():
        write_json(path, wanted)
        return
    found = read_json(path)
    if found != wanted:
        differing = [key for key in wanted if not isinstance(found, dict) or found.get(key) != wanted[key]]
        raise ValueError(
            f"{path}: a corpus of other settings lies here (different: {', '.join(differing)}); "
            "delete its folder or give another --out"
        )


def _three_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    default = Settings()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--out", type=Path, required=True, metavar="CORPUS_DIR", help="where the corpus goes")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    for name in ("seed", "train_talkers", "test_talkers", "utterances", "test_utterances", "sample_rate"):
        value = getattr(default, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value, help=f"default {value}")
    parser.add_argument(
        "--mixtures", type=_three_numbers, default=default.mixtures, metavar="TR,CV,TT", help="default 3000,120,120"
    )
    args = vars(parser.parse_args(argv))
    out, jobs = args.pop("out"), args.pop("jobs")
    try:
        if jobs < 1:
            raise ValueError(f"--jobs {jobs}: expected at least 1; give the number of processes")
        synthesise(out, Settings(**args), jobs)
    except (ValueError, OSError) as error:
        print(f"synthesise.py: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("synthesise.py: interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

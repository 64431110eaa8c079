"""The stages of a separation recipe: mixtures, ANN, conversion, separation, scores, report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from spiking_tasnet.stages.options import Option, existing_file, text, whole_number
from spiking_tasnet.stages.recipe import Command, Recipe, Stage

SUBSETS = ("cv", "tt")  # what is separated and scored: dev and test
MIXING = ("limit", "sample-rate", "mode")  # options of every recipe that decide on the mixtures
WITHOUT_CORPUS = "run egs/mini-2mix/run.sh --stage 0"


class SeparationRecipe(Recipe):
    """Separates two talkers. A recipe says how its mixtures are made (`mix`), and of what (`corpus`, `check_corpus`).

    All its own options decide on the mixtures.
    """

    kind = "separation"
    data_title = "mixtures"
    kind_options = (
        Option("sample-rate", "N", "of the mixtures and the network, Hz (default 8000)", whole_number),
        Option(
            "mode",
            "MODE",
            "of the mixtures: min, cut to the shorter talker (default), or max, padded to the longer",
            text,
        ),
        Option("limit", "N", "use only the first N lines of each list", whole_number),
        Option("jobs", "N", "processes of mixing and scoring (default: one per core)", whole_number),
        Option(
            "init",
            "FILE",
            "model.pt of the same sizes that stage 1 starts from (default: random weights)",
            existing_file,
        ),
    )
    corpus_option: ClassVar[str]  # the option that names the corpus
    makes_data: ClassVar[tuple[str, ...]] = ("wav*k", "tr", *SUBSETS)
    report_options: ClassVar[tuple[str, ...]] = ()  # of `spiking-tasnet report`

    def stages(self) -> list[Stage]:
        """Mixtures, ANN, conversion, separation, scores, report."""
        deciding = (*(option.name for option in self.options), *MIXING)
        return [
            Stage("corpus and mixtures", self.makes_data, self.mix, deciding),
            Stage("train the ANN", ("ann",), self.train, ("init",), trains=True),
            Stage("convert it to spikes by progressive tandem learning", ("snn",), self.convert, trains=True),
            Stage("separate dev and test with both systems", ("separated",), self.separate),
            Stage("score the mixtures and both systems", ("scores",), self.score),
            Stage("report and listening page", ("RESULTS.md", "results.json", "curves.png", "demo"), self.report),
        ]

    def presets(self) -> list[str]:
        """The network has the rate of the mixtures."""
        rate = self.given.get("sample-rate")
        return [] if rate is None else [f"model.sample_rate={rate}"]

    def corpus(self) -> Any:
        """The corpus that the recipe's option names."""
        return self.given.get(self.corpus_option)

    def missing_data(self) -> Path | None:
        """A list of mixtures without a line, or the audio of its first line."""
        for folder in (self.data / subset for subset in ("tr", *SUBSETS)):
            listed = folder / "wav.scp"
            if not folder.is_dir():
                continue
            if not listed.is_file() or not listed.stat().st_size:
                return listed
            with open(listed, encoding="utf-8", errors="surrogateescape") as stream:
                _, _, audio = stream.readline().strip().partition(" ")
            path = folder / audio.strip()
            if audio.strip() and not audio.rstrip().endswith("|") and not (path.is_file() and path.stat().st_size):
                return path
        return None

    def mix(self) -> Iterator[Command]:
        """Make the corpus if need be, and the mixtures."""
        raise NotImplementedError

    def mixing(self) -> list[str]:
        """Words that every command of mixing takes."""
        return ["--data", str(self.data), *self.words(*MIXING, "jobs")]

    def train(self) -> Iterator[Command]:
        """Train the ANN."""
        yield ["train", *self.training(), *self.words("init")]

    def convert(self) -> Iterator[Command]:
        """Convert it."""
        yield ["convert", *self.training()]

    def separate(self) -> Iterator[Command]:
        """Separate dev and test with ANN and SNN, counting the operations of the latter."""
        for system in ("ann", "snn"):
            for subset in SUBSETS:
                model, out = self.exp / system, self.exp / "separated" / system / subset
                places = ["--subset", str(self.data / subset), "--model", str(model), "--out", str(out)]
                cost = ["--cost", str(self.exp / "snn" / "cost.json")] if (system, subset) == ("snn", "tt") else []
                yield ["separate-set", *places, *cost]

    def score(self) -> Iterator[Command]:
        """Score the mixtures as they are, and both systems."""
        for system in ("mixture", "ann", "snn"):
            for subset in SUBSETS:
                estimates = "mixture" if system == "mixture" else str(self.exp / "separated" / system / subset)
                out = self.exp / "scores" / f"{system}_{subset}.csv"
                places = ["--subset", str(self.data / subset), "--est", estimates, "--out", str(out)]
                yield ["score", *places, *self.words("jobs")]

    def report(self) -> Iterator[Command]:
        """Write tables, curves and the page."""
        yield ["report", "--exp", str(self.exp), "--data", str(self.data), *self.report_options]

    def results(self) -> str:
        """Report and page."""
        return f"results: {self.exp}/RESULTS.md; listen: {self.exp}/demo/index.html"

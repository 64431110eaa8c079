"""The stages of a vision recipe: corpus, ANN, conversion, baselines, test, report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from spiking_tasnet.stages.options import Option
from spiking_tasnet.stages.recipe import Command, Recipe, Stage
from spiking_tasnet.vision.methods import METHODS

BASELINES = tuple(method for method in METHODS if method not in ("ann", "ptl"))
USUAL = tuple(method for method in BASELINES if method != "lif")  # without --methods
DOWNLOAD = Option("download", "", "let torchvision fetch the corpus, instead of --source", None)
FAST = Option("fast", "", "take conf/NETWORK-fast.yaml: minutes to an hour on a CPU", None)


class VisionRecipe(Recipe):
    """Trains and compares networks on images.

    Its options have `source`, an existing folder, and `network`, whose conf/NAME.yaml trains one; `FAST` where there is
    a conf/NAME-fast.yaml for each network, and `DOWNLOAD` where torchvision can fetch the corpus.
    """

    kind = "vision"
    data_title = "corpus"
    kind_options = (Option("methods", "LIST", f"baselines: of {','.join(BASELINES)} (default: all but lif)"),)
    corpus_name: ClassVar[str]  # as `spiking-tasnet vision-data` knows it
    source_help: ClassVar[str]  # what --source is
    networks: ClassVar[tuple[str, ...]]  # the first is the default
    baselines: ClassVar[dict[str, tuple[str, ...]]] = {}  # network -> its own ones, where they are not `USUAL`

    def prepare(self) -> None:
        """Choose the configuration by the network, and the baselines by the configuration."""
        given = self.given
        if "config" in given and ("network" in given or "fast" in given):
            raise ValueError(
                "--config names the experiment's YAML; leave out --network and --fast, which choose one of the recipe's"
            )
        if "source" in given and "download" in given:
            raise ValueError("--source and --download found, one of them expected")
        network = given.get("network", self.networks[0])
        expect_one_of("network", network, self.networks)
        self.default_config = f"conf/{network}{'-fast' if 'fast' in given else ''}.yaml"
        config = given["config"].name if "config" in given else Path(self.default_config).name
        # A YAML of the user's is known by the beginning of its name.
        usual = next((own for name, own in self.baselines.items() if config.startswith(name)), USUAL)
        self.methods = given.setdefault("methods", ",".join(usual)).split(",")
        for method in self.methods:
            expect_one_of("methods", method, BASELINES)

    def stages(self) -> list[Stage]:
        """Corpus, ANN, conversion, baselines, test, report."""
        corpus = ("dataset.json", "*_images.npy", "*_labels.npy")  # what torchvision fetched stays
        return [
            Stage("corpus", corpus, self.read_corpus, ("source",)),
            Stage("train the ANN", ("ann",), lambda: self.train("ann"), trains=True),
            Stage(
                "convert it to spikes by progressive tandem learning", ("ptl",), lambda: self.train("ptl"), trains=True
            ),
            Stage(
                "train or convert by the baselines",
                BASELINES,
                lambda: self.train(*self.methods),
                ("methods",),
                trains=True,
            ),
            Stage("test every network", ("results.json",), self.test),
            Stage("report", ("RESULTS.md", "curves.png", "results.csv"), self.report),
        ]

    def corpus(self) -> Any:
        """The folder that --source names."""
        return self.given.get("source")

    def check_corpus(self) -> None:
        """It is in --source, or torchvision shall fetch it."""
        if "source" not in self.given and "download" not in self.given:
            other = "; or --download" if DOWNLOAD in self.options else ""
            raise ValueError(f"stage 0 needs --source DIR ({self.source_help}){other}")

    def missing_data(self) -> Path | None:
        """The folder of images that the data point to."""
        try:
            folder = json.loads((self.data / "dataset.json").read_text(encoding="utf-8"))["folder"]
        except (OSError, ValueError, LookupError, TypeError):
            return None
        if not isinstance(folder, str) or not folder or (self.data / folder).is_dir():
            return None
        return self.data / folder

    def read_corpus(self) -> Iterator[Command]:
        """Bring the corpus into one form."""
        yield [
            *("vision-data", "--corpus", self.corpus_name),
            *(*self.words("source"), "--out", str(self.data), *self.words("download")),
        ]

    def train(self, *methods: str) -> Iterator[Command]:
        """Train or convert by one method after the other."""
        for method in methods:
            yield ["vision-train", "--method", method, *self.training()]

    def test(self) -> Iterator[Command]:
        """Test every method."""
        yield ["vision-test", "--data", str(self.data), "--exp", str(self.exp), *self.words("threads")]

    def report(self) -> Iterator[Command]:
        """Write table and curves."""
        yield ["vision-report", "--data", str(self.data), "--exp", str(self.exp)]

    def results(self) -> str:
        """Table and curves."""
        return f"results: {self.exp}/RESULTS.md, with {self.exp}/curves.png and results.csv"


def expect_one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    """Raise `ValueError` unless the value of an option is one of these."""
    if value not in known:
        raise ValueError(f"--{option} '{value}' found, one of {', '.join(known)} expected")

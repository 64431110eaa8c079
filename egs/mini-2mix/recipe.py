"""Two synthesised talkers, from nothing to a spiking separation you can listen to."""

from __future__ import annotations

from collections.abc import Iterator

from spiking_tasnet.stages import Command, Option, SeparationRecipe, folder, whole_number


class Recipe(SeparationRecipe):
    """Makes its own corpus."""

    description = "Separate two synthesised talkers with a spiking network: a small example that runs anywhere."
    default_config = "conf/mini.yaml"
    costs = (
        "a minute on two cores; 0.7 GB",
        "6 minutes on two cores, less where they compute bfloat16",
        "3 minutes on two cores",
        "a minute; 60 MB",
        "a minute",
        "some seconds",
    )
    options = (
        Option("corpus-dir", "DIR", "where the talkers are put (default: corpus in the recipe)", folder),
        Option("train-talkers", "N", "talkers to train on", whole_number),
        Option("test-talkers", "N", "talkers of the open test", whole_number),
        Option("utterances", "N", "sentences of each training talker", whole_number),
        Option("mixtures", "TR,CV,TT", "how many mixtures to list"),
    )
    corpus_option = "corpus-dir"

    def prepare(self) -> None:
        """The corpus has a place even if none is named."""
        self.given.setdefault("corpus-dir", self.folder / "corpus")

    def mix(self) -> Iterator[Command]:
        """Synthesise the talkers, then mix by the lists that lie beside them."""
        corpus = str(self.corpus())
        talkers = self.words("train-talkers", "test-talkers", "utterances", "mixtures", "jobs")
        yield [str(self.folder / "local" / "synthesise.py"), "--out", corpus, *talkers]
        yield ["mix", "--corpus", corpus, "--mix-lists", corpus, *self.mixing()]

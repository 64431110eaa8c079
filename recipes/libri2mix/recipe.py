"""Libri2Mix: the open road to the paper's system."""

from __future__ import annotations

from collections.abc import Iterator

from spiking_tasnet.stages import Command, Option, SeparationRecipe, existing_folder


class Recipe(SeparationRecipe):
    """LibriSpeech, mixed by LibriMix's metadata."""

    description = "Separate two talkers of LibriSpeech, mixed by LibriMix's published metadata: no licence to buy."
    default_config = "../wsj0-2mix/conf/paper.yaml"
    costs = (
        "at 8 kHz 40 GB with train-360, 14 GB with train-100; with noise 67 and 23 GB",
        "days of a GPU with train-360",
        "about as long as stage 1",
        "some seconds per minute of audio and core",
        "half a second per mixture, system and core",
        "under a minute",
    )
    options = (
        Option(
            "librispeech",
            "DIR",
            "holds train-clean-360 (or -100), dev-clean, test-clean and SPEAKERS.TXT",
            existing_folder,
        ),
        Option("metadata", "DIR", "holds LibriMix's libri2mix_*.csv", existing_folder),
        Option(
            "wham", "DIR", "WHAM's noise (tr, cv, tt): separate noisy mixtures (default: clean ones)", existing_folder
        ),
        Option("train-set", "NAME", "train-360 (default) or train-100"),
    )
    corpus_option = "librispeech"

    def check_corpus(self) -> None:
        """It wants speech and metadata."""
        if not self.corpus() or "metadata" not in self.given:
            raise ValueError(
                "stage 0 needs --librispeech DIR (the corpus) and --metadata DIR (LibriMix's metadata/Libri2Mix); "
                "without a corpus, run egs/mini-2mix/run.sh --stage 0"
            )

    def mix(self) -> Iterator[Command]:
        """Mix by the metadata."""
        yield ["mix-librimix", *self.words("librispeech", "metadata", "wham", "train-set"), *self.mixing()]

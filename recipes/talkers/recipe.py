"""A separator of real voices, trained on any folder of talkers."""

from __future__ import annotations

from collections.abc import Iterator

from spiking_tasnet.stages import Command, Option, SeparationRecipe, existing_folder, whole_number


class Recipe(SeparationRecipe):
    """Single-talker recordings, mixed on the fly."""

    description = "Separate two real talkers: train on any folder of single-talker recordings, mixed on the fly."
    default_config = "conf/real.yaml"
    costs = (
        "a minute for 10 hours of speech; 60 MB per hour, and 0.4 MB per mixture of dev and test",
        "as long as you let it: 20 ms per second of audio on one core with bfloat16; stop and go on as you like",
        "half an hour on one core",
        "some seconds per minute of audio and core",
        "half a second per mixture, system and core",
        "under a minute",
    )
    options = (
        Option(
            "talkers",
            "DIR",
            "single-talker recordings, one folder per talker; mix_2_spk_{cv,tt}.txt in it are dev and test",
            existing_folder,
        ),
        Option(
            "extra",
            "DIR",
            "more talkers, for training only, without what the lists in it name; may be repeated",
            existing_folder,
            repeated=True,
        ),
        Option("noise", "DIR", "noise recordings to train with (default: no noise)", existing_folder),
        Option("dev-mixtures", "N", "dev mixtures, where the lists are drawn (default 300)", whole_number),
        Option("test-mixtures", "N", "test mixtures, where the lists are drawn (default 300)", whole_number),
    )
    corpus_option = "talkers"
    makes_data = ("talkers", "noise", "lists", "talkers.json", *SeparationRecipe.makes_data)

    def check_corpus(self) -> None:
        """It wants recordings."""
        if not self.corpus():
            raise ValueError(
                "stage 0 needs --talkers DIR (one folder per talker); without recordings, run egs/mini-2mix/run.sh "
                "--stage 0"
            )

    def mix(self) -> Iterator[Command]:
        """Prepare the talkers, and mix dev and test."""
        options = ("extra", "noise", "dev-mixtures", "test-mixtures", "sample-rate", "jobs")
        yield ["talkers", *self.words("talkers"), "--data", str(self.data), *self.words(*options)]

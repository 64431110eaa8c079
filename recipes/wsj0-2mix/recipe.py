"""The paper's Table 4: WSJ0-2mix, or any corpus with mixture lists in MERL's format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spiking_tasnet.stages import (
    Command,
    Option,
    SeparationRecipe,
    existing_file,
    existing_folder,
    existing_folder_or_none,
)


class Recipe(SeparationRecipe):
    """Corpus root and lists are the user's."""

    description = "Separate two talkers of WSJ0, or of any corpus with mixture lists in MERL's format (paper, Table 4)."
    default_config = "conf/paper.yaml"
    costs = (
        "minutes; 0.2 MB per mixture, 5 GB for all of WSJ0-2mix at 8 kHz",
        "cpu.yaml: about an hour on one core; paper.yaml wants a GPU",
        "cpu.yaml: a quarter of an hour on one core; paper.yaml: about as long as stage 1",
        "some seconds per minute of audio and core",
        "half a second per mixture, system and core",
        "under a minute",
    )
    options = (
        Option(
            "wsj0",
            "DIR",
            "corpus root, where the paths in the lists start (for WSJ0: holds wsj0/); also --corpus",
            existing_folder,
            other="corpus",
        ),
        Option(
            "mix-lists",
            "DIR",
            "holds mix_2_spk_{tr,cv,tt}.txt (default: lists in the recipe, by tools/fetch_mix_lists.sh)",
            existing_folder,
        ),
        Option(
            "activlev",
            "DIR-or-none",
            "holds activlev_*.txt (default: those beside the lists; else, or by none, levels are measured)",
            existing_folder_or_none,
        ),
        Option("spkrinfo", "FILE", "table of the talkers' gender, besides those of the corpus", existing_file),
    )
    corpus_option = "wsj0"
    report_options = ("--paper",)

    def mix_lists(self) -> Path | None:
        """The folder of the lists: named, or in the recipe."""
        own = self.folder / "lists"
        return self.given.get("mix-lists", own if (own / "mix_2_spk_tr.txt").is_file() else None)

    def check_corpus(self) -> None:
        """It wants a corpus and lists."""
        if not self.corpus():
            raise ValueError(
                "stage 0 needs --wsj0 DIR (the corpus) and --mix-lists DIR (MERL's lists); without a corpus, run "
                "egs/mini-2mix/run.sh --stage 0"
            )
        if not self.mix_lists():
            raise ValueError("stage 0 needs --mix-lists DIR (MERL's lists), or run tools/fetch_mix_lists.sh first")

    def mix(self) -> Iterator[Command]:
        """Mix by MERL's lists."""
        lists = ["--mix-lists", str(self.mix_lists())]
        yield ["mix", *self.words("wsj0"), *lists, *self.words("activlev", "spkrinfo"), *self.mixing()]

"""A fabricated corpus shaped like WSJ0: eight talkers of speech-like noise, lists, sexes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tiny_experiment import speech_like

from spiking_tasnet.separation.audio.files import write_audio

TALKERS = {"tr": ("01a", "01b", "01c", "01d"), "tt": ("02a", "02b", "02c", "02d")}


def write_corpus(root: Path, lines: dict[str, int], seconds: float = 1.0, rate: int = 8000) -> Path:
    """Write corpus and lists; `lines` is how many mixtures each list has. Sexes alternate M, F; 01d's is unknown."""
    rng = np.random.default_rng(0)
    names = {kind: [] for kind in TALKERS}
    for kind, talkers in TALKERS.items():
        for talker in talkers:
            for number in range(3):
                name = f"tiny/{kind}/{talker}/{talker}{number}.wav"
                length = seconds * (1 + 0.1 * number)
                write_audio(root / name, speech_like(rng, length, rate) * rng.uniform(0.2, 1), rate)
                names[kind].append((talker, name))
    for subset, count in lines.items():
        text, used = "", set()
        while len(used) < count:
            some = names["tt" if subset == "tt" else "tr"]
            (one, first), (two, second) = (some[i] for i in rng.integers(len(some), size=2))
            if one != two and (first, second) not in used:
                used.add((first, second))
                gain = rng.uniform(0, 2.5)
                text += f"{first} {gain:.5g} {second} {-gain:.5g} \n"
        (root / f"mix_2_spk_{subset}.txt").write_text(text)
    table = [f"{t.upper()} {'MF'[i % 2]} 30" for some in TALKERS.values() for i, t in enumerate(some) if t != "01d"]
    (root / "tiny" / "doc").mkdir()
    (root / "tiny" / "doc" / "spkrinfo.txt").write_text("; ID sex age\n" + "\n".join(table) + "\n")
    return root

"""Kaldi data folders of mixtures: one line an utterance, sorted, `<utt-id> <value>`.

wav.scp             the mixture
spk1.scp spk2.scp   the sources
noise1.scp          the noise, where the mixtures hold some
utt2spk  spk2utt    the talkers, joined by `_`
utt2genders         M, F or ? of each talker, e.g. `M F`
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from spiking_tasnet.files import write_text

GENDERS = ("M", "F", "?")


@dataclass(frozen=True)
class Utterance:
    """One mixture.

    Attributes:
        id: unique in its data folder.
        mixture: audio file.
        sources: audio file of each talker.
        speakers: id of each talker.
        genders: ``M``, ``F`` or ``?`` of each talker.
        noise: audio file of what the mixture holds besides the talkers; None for nothing.
    """

    id: str
    mixture: Path
    sources: tuple[Path, ...]
    speakers: tuple[str, ...]
    genders: tuple[str, ...]
    noise: Path | None = None

    @property
    def group(self) -> str:
        """``same`` or ``diff``: whether the talkers are of one sex; ``unknown`` if one is not known."""
        if "?" in self.genders:
            return "unknown"
        return "same" if len(set(self.genders)) == 1 else "diff"


def write_data_dir(folder: str | os.PathLike, utterances: Sequence[Utterance]) -> None:
    """Write a data folder with absolute paths; `wav.scp` comes last, so a folder that has it is complete.

    Raises:
        ValueError: no utterances, one id twice, or an id that the format cannot hold.
    """
    folder, utterances = Path(folder), sorted(utterances, key=lambda utterance: utterance.id)
    if not utterances:
        raise ValueError(f"{folder}: no utterances to write, at least one expected")
    for before, after in zip(utterances, utterances[1:], strict=False):
        if before.id == after.id:
            raise ValueError(f"{folder}: two utterances named {after.id} found; ids must be unique")
    for utterance in utterances:
        _check(utterance)
    (folder / "wav.scp").unlink(missing_ok=True)
    speakers = {utterance.id: "_".join(utterance.speakers) for utterance in utterances}
    by_speakers: dict[str, list[str]] = {}
    for utterance, pair in speakers.items():
        by_speakers.setdefault(pair, []).append(utterance)
    _write(folder / "utt2spk", speakers)
    _write(folder / "spk2utt", {pair: " ".join(by_speakers[pair]) for pair in sorted(by_speakers)})
    _write(folder / "utt2genders", {utterance.id: " ".join(utterance.genders) for utterance in utterances})
    for place in range(len(utterances[0].sources)):
        _write(folder / f"spk{place + 1}.scp", {u.id: str(u.sources[place].absolute()) for u in utterances})
    if all(utterance.noise for utterance in utterances):
        _write(folder / "noise1.scp", {utterance.id: str(utterance.noise.absolute()) for utterance in utterances})
    else:
        (folder / "noise1.scp").unlink(missing_ok=True)
    _write(folder / "wav.scp", {utterance.id: str(utterance.mixture.absolute()) for utterance in utterances})


def read_data_dir(folder: str | os.PathLike) -> list[Utterance]:
    """Read a data folder, in its order. The audio is not touched.

    Raises:
        FileNotFoundError: the folder or a file of it is missing; the message says what makes it.
        ValueError: its files do not fit together.
    """
    folder = Path(folder)
    mixtures = _read(folder / "wav.scp")
    speakers, genders = _read(folder / "utt2spk"), _read(folder / "utt2genders")
    sources = [_read(folder / "spk1.scp")]
    for place in count(2):
        if not (folder / f"spk{place}.scp").exists():
            break
        sources.append(_read(folder / f"spk{place}.scp"))
    noise = _read(folder / "noise1.scp") if (folder / "noise1.scp").exists() else dict.fromkeys(mixtures)
    tables = [(noise, "noise1.scp"), (speakers, "utt2spk"), (genders, "utt2genders")]
    for table, name in [*tables, *((source, "spk*.scp") for source in sources)]:
        if table.keys() != mixtures.keys():
            raise ValueError(
                f"{folder}: wav.scp and {name} name different utterances ({len(mixtures)} and {len(table)}); "
                "run stage 0 again"
            )
    return [
        Utterance(
            id=utterance,
            mixture=Path(path),
            sources=tuple(Path(source[utterance]) for source in sources),
            speakers=tuple(speakers[utterance].split("_")),
            genders=tuple(genders[utterance].split()),
            noise=Path(noise[utterance]) if noise[utterance] else None,
        )
        for utterance, path in mixtures.items()
    ]


def _check(utterance: Utterance) -> None:
    if not utterance.id or any(character.isspace() for character in utterance.id):
        raise ValueError(f"utterance id {utterance.id!r} found, one without spaces expected")
    for speaker in utterance.speakers:
        if not speaker or "_" in speaker or any(character.isspace() for character in speaker):
            raise ValueError(f"{utterance.id}: talker {speaker!r} found, an id without spaces and _ expected")
    if not set(utterance.genders) <= set(GENDERS):
        raise ValueError(f"{utterance.id}: genders {utterance.genders} found, M, F or ? expected")
    if not len(utterance.sources) == len(utterance.speakers) == len(utterance.genders):
        raise ValueError(f"{utterance.id}: a source, a talker and a gender for each voice expected")


def _write(path: Path, table: dict[str, str]) -> None:
    write_text(path, "".join(f"{key} {value}\n" for key, value in table.items()))


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; stage 0 (spiking-tasnet mix) makes it")
    table: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split(maxsplit=1)
        if len(words) != 2 or words[0] in table:
            raise ValueError(f"{path}: line {number} is not `<utt-id> <value>` with a new id; run stage 0 again")
        table[words[0]] = words[1].rstrip()
    if not table:
        raise ValueError(f"{path}: empty; run stage 0 again")
    return table

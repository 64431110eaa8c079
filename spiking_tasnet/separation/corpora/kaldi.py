"""Kaldi data folders of mixtures: tables with one line per utterance, sorted, `<utt-id> <value>`.

wav.scp             the mixture
spk1.scp spk2.scp   the sources
noise1.scp          the noise, where the mixtures hold some
utt2spk  spk2utt    the talkers, joined by `_`
utt2genders         M, F or ? of each talker, e.g. `M F`

Paths of audio beside the folder are written relative to it, so that data can be moved. Folders that Kaldi's or ESPnet's
recipes made are read too: `utt2spk` and `utt2genders` may be absent, see `scp` for paths and commands.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from spiking_tasnet.files import write_text
from spiking_tasnet.separation.audio.pipes import Pipe
from spiking_tasnet.separation.corpora.scp import check_id, read_scp, read_table

GENDERS = ("M", "F", "?")
GENDER_WORDS = {"m": "M", "male": "M", "f": "F", "female": "F", "?": "?", "u": "?", "unknown": "?"}


@dataclass(frozen=True)
class Utterance:
    """One mixture.

    Attributes:
        id: unique in its data folder.
        mixture: audio file, or the command that writes it.
        sources: the same of each talker; empty where a folder without references was asked for.
        talkers: id of each talker; if the folder does not give them, no two utterances share one.
        genders: ``M``, ``F`` or ``?`` of each talker.
        noise: audio file of what the mixture holds besides the talkers; None for nothing.
    """

    id: str
    mixture: Path | Pipe
    sources: tuple[Path | Pipe, ...]
    talkers: tuple[str, ...]
    genders: tuple[str, ...]
    noise: Path | Pipe | None = None

    @property
    def group(self) -> str:
        """``same`` or ``diff``: whether the talkers are of one gender; ``unknown`` if one is not known."""
        if "?" in self.genders:
            return "unknown"
        return "same" if len(set(self.genders)) == 1 else "diff"


def write_data_dir(folder: str | os.PathLike, utterances: Sequence[Utterance]) -> None:
    """Write a data folder; `wav.scp` comes last, so a folder that has it is complete.

    Audio below the folder that holds `folder` is named relative to `folder`, other audio absolutely.

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
    talkers = {utterance.id: "_".join(utterance.talkers) for utterance in utterances}
    by_talkers: dict[str, list[str]] = {}
    for utterance, pair in talkers.items():
        by_talkers.setdefault(pair, []).append(utterance)
    _write(folder / "utt2spk", talkers)
    _write(folder / "spk2utt", {pair: " ".join(by_talkers[pair]) for pair in sorted(by_talkers)})
    _write(folder / "utt2genders", {utterance.id: " ".join(utterance.genders) for utterance in utterances})
    for place in range(len(utterances[0].sources)):
        _write(folder / f"spk{place + 1}.scp", {u.id: _named(u.sources[place], folder) for u in utterances})
    noise = {utterance.id: _named(utterance.noise, folder) for utterance in utterances if utterance.noise}
    if len(noise) == len(utterances):
        _write(folder / "noise1.scp", noise)
    else:
        (folder / "noise1.scp").unlink(missing_ok=True)
    _write(folder / "wav.scp", {utterance.id: _named(utterance.mixture, folder) for utterance in utterances})


def read_data_dir(
    folder: str | os.PathLike, allow_pipes: bool = False, with_references: bool = True
) -> list[Utterance]:
    """Read a data folder, in its order. The audio is not touched.

    Args:
        folder: with wav.scp and, for references, spk1.scp, spk2.scp, ...
        allow_pipes: whether an scp may hold commands, see `read_scp`.
        with_references: False leaves `sources` empty and asks for wav.scp only.

    Raises:
        FileNotFoundError: the folder or a file of it is missing; the message says what makes it.
        ValueError: its files do not fit together, an id cannot name a file, or recordings are cut into segments.
    """
    folder = Path(folder)
    if (folder / "segments").exists():
        raise ValueError(
            f"{folder}: a file `segments` found, one recording an utterance expected; cut them first (Kaldi: "
            "extract-segments, ESPnet: format_wav_scp.sh --segments)"
        )
    mixtures = read_scp(folder / "wav.scp", allow_pipes)
    sources = _read_sources(folder, allow_pipes) if with_references else []
    for place, table in enumerate(sources, start=1):
        _check_same(folder, mixtures, table, f"spk{place}.scp")
    noise = read_scp(folder / "noise1.scp", allow_pipes) if (folder / "noise1.scp").exists() else {}
    if noise:
        _check_same(folder, mixtures, noise, "noise1.scp")
    talkers, genders = (_read_optional(folder, name, mixtures) for name in ("utt2spk", "utt2genders"))
    return [
        Utterance(
            id=utterance,
            mixture=mixture,
            sources=tuple(source[utterance] for source in sources),
            talkers=_talkers(utterance, talkers.get(utterance, ""), len(sources)),
            genders=_genders(folder, utterance, genders.get(utterance, ""), len(sources)),
            noise=noise.get(utterance),
        )
        for utterance, mixture in mixtures.items()
    ]


def _read_sources(folder: Path, allow_pipes: bool) -> list[dict[str, Path | Pipe]]:
    """Read spk1.scp, which must be there, spk2.scp, ..."""
    tables = [read_scp(folder / "spk1.scp", allow_pipes)]
    for place in count(2):
        path = folder / f"spk{place}.scp"
        if not path.exists():
            break
        tables.append(read_scp(path, allow_pipes))
    return tables


def _read_optional(folder: Path, name: str, mixtures: dict) -> dict[str, str]:
    """Read a table that may be absent: nothing is then known."""
    if not (folder / name).exists():
        return {}
    table = read_table(folder / name)
    _check_same(folder, mixtures, table, name)
    return table


def _check_same(folder: Path, mixtures: dict, table: dict, name: str) -> None:
    if table.keys() != mixtures.keys():
        first = min(table.keys() ^ mixtures.keys())
        raise ValueError(
            f"{folder}: wav.scp and {name} name different utterances ({len(mixtures)} and {len(table)}; {first} is in "
            "one only); mend them, or run stage 0 again"
        )


def _talkers(utterance: str, joined: str, n_src: int) -> tuple[str, ...]:
    """Split talkers joined by `_`; ids that hold `_` themselves are told apart where all have as many.

    Talkers that are not given get names that occur in no other utterance, so that none is taken for another's.
    """
    words = joined.split("_") if joined else []
    if n_src and words and len(words) % n_src == 0:
        size = len(words) // n_src
        return tuple("_".join(words[place * size : (place + 1) * size]) for place in range(n_src))
    return tuple(f"{utterance}/{place}" for place in range(1, n_src + 1))


def _genders(folder: Path, utterance: str, text: str, n_src: int) -> tuple[str, ...]:
    words = text.split()
    genders = tuple(GENDER_WORDS.get(word.lower(), "") for word in words)
    if not words or not n_src:
        return ("?",) * n_src
    if len(words) != n_src or "" in genders:
        raise ValueError(
            f"{folder / 'utt2genders'}: {utterance}: {text!r} found, M, F or ? of each of {n_src} talkers expected"
        )
    return genders


def _named(source: Path | Pipe, folder: Path) -> str:
    """How an scp in `folder` names its audio."""
    if isinstance(source, Pipe):
        return str(source)
    path, around = os.path.abspath(source), Path(os.path.abspath(folder)).parent
    beside = around != around.parent and Path(path).is_relative_to(around)
    return os.path.relpath(path, folder) if beside else path


def _check(utterance: Utterance) -> None:
    if not utterance.id or any(character.isspace() for character in utterance.id):
        raise ValueError(f"utterance id {utterance.id!r} found, one without spaces expected")
    check_id(utterance.id)
    for talker in utterance.talkers:
        if not talker or "_" in talker or any(character.isspace() for character in talker):
            raise ValueError(f"{utterance.id}: talker {talker!r} found, an id without spaces and _ expected")
    if not set(utterance.genders) <= set(GENDERS):
        raise ValueError(f"{utterance.id}: genders {utterance.genders} found, M, F or ? expected")
    if not len(utterance.sources) == len(utterance.talkers) == len(utterance.genders):
        raise ValueError(f"{utterance.id}: a source, a talker and a gender for each voice expected")


def _write(path: Path, table: dict[str, str]) -> None:
    write_text(path, "".join(f"{key} {value}\n" for key, value in table.items()))

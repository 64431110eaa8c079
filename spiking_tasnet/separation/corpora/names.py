"""Check names from users' lists and tables before they become file names and ids."""

from __future__ import annotations

import re

# Bytes. File systems take 255; a file that is being written has a longer, temporary name (`.NAME.PID.tmp.wav`).
LONGEST = 230
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def below_root(text: str, where: str) -> str:
    r"""A path of a list, relative to its corpus, with forward slashes; Windows's backslashes are turned.

    Args:
        text: the path as it is written.
        where: for the message, e.g. `list.txt: line 3`.

    Raises:
        ValueError: it leads, or may lead, out of the corpus.
    """
    path = text.replace("\\", "/")
    if path.startswith("/") or ".." in path.split("/") or re.match("[A-Za-z]:", path) or CONTROL.search(path):
        raise ValueError(f"{where}: {text!r} found, a path below the corpus root expected")
    return path


def check_mixture(name: str, where: str) -> None:
    """Check the name of a mixture, which names files and is an id in a Kaldi folder.

    Raises:
        ValueError: it could be written elsewhere, be taken for an option or a hidden file, or not be written at all.
    """
    if not name or not _is_plain(name):
        raise ValueError(f"{where}: mixture {name!r} found, a file name without spaces expected")
    if "/" in name or "\\" in name:
        raise ValueError(f"{where}: mixture {name!r} found, a file name without slashes expected")
    if name[0] in ".-":
        raise ValueError(f"{where}: mixture {name!r} found, a name that begins with neither . nor - expected")
    if len(name.encode()) > LONGEST:
        raise ValueError(
            f"{where}: a mixture whose name has {len(name.encode())} bytes found ({name[:20]}...), "
            f"at most {LONGEST} expected; shorten the names of its utterances"
        )


def check_talkers(talkers: tuple[str, ...], where: str) -> None:
    """Check the talkers of a mixture, whose ids `_` joins in a Kaldi folder.

    Raises:
        ValueError: one is empty or cannot be told from two.
    """
    for talker in talkers:
        if not talker or "_" in talker or not _is_plain(talker):
            raise ValueError(
                f"{where}: talker {talker!r} found, an id without spaces and _ expected; it is the folder of the "
                "utterance, or in LibriSpeech what the file's name begins with"
            )


def _is_plain(text: str) -> bool:
    """Whether it holds no space, line end, control character or half a character."""
    return text.isprintable() and " " not in text

"""Compare a corpus on disk with its published counts: files and hours of each subset, and MERL's lists by checksum."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from spiking_tasnet.separation.audio.files import audio_seconds
from spiking_tasnet.separation.corpora.locate import utterances_below
from spiking_tasnet.separation.corpora.merl_lists import MixLine
from spiking_tasnet.separation.corpora.textfile import read_text

logger = logging.getLogger(__name__)

# Near-microphone utterances of LDC93S6A, speaker-independent: training, development and evaluation with 5,000 words.
WSJ0_FILES = {"si_tr_s": 12776, "si_dt_05": 1206, "si_et_05": 651}

# MERL's lists: file -> lines, SHA-256 of the text with Unix line ends.
MERL_LISTS = {
    "mix_2_spk_tr.txt": (20000, "9ba81d1d2b06fd6761aa3d54484b0374cf0472e7ecb6e5a174d34c08d392a36f"),
    "mix_2_spk_cv.txt": (5000, "bdb4feebebdc8250db8b40254ce941551758ddf0ffb35f9d93d7c3ae8147f445"),
    "mix_2_spk_tt.txt": (3000, "92b33ac1df349b80eab62a019a94c129add44b414caeeeeab7cb3adfe0024ad5"),
}


def readable_seconds(path: Path) -> float | None:
    """Duration of a sound file by its header; None without a duration, or with more than one second per byte."""
    try:
        seconds = audio_seconds(path)
        return seconds if 0 < seconds <= path.stat().st_size else None
    except (ValueError, OSError):
        return None


def is_merl_list(path: Path) -> bool:
    """Whether a file is the list that MERL published under its name, line ends, slashes and byte-order mark aside."""
    text = read_text(path, strict=False).replace("\\", "/")
    return path.name in MERL_LISTS and hashlib.sha256(text.encode()).hexdigest() == MERL_LISTS[path.name][1]


def report_list(path: Path, lines: Sequence[MixLine]) -> None:
    """Log whether a list over WSJ0 is MERL's; lists over other corpora are not checked."""
    if not _names_wsj0(name for line in lines for name in line.paths):
        return
    if is_merl_list(path):
        logger.info("%s: MERL's list of WSJ0-2mix", path)
    else:
        logger.warning(
            "%s: not MERL's list (%d lines there): scores will not compare with published ones; "
            "tools/fetch_mix_lists.sh fetches it",
            *(path, MERL_LISTS.get(path.name, (0, ""))[0]),
        )


def report_corpus(files: Mapping[str, Path], seconds: Callable[[Path], float | None] = readable_seconds) -> None:
    """Count the files and hours of every subset that the lists name; warn if WSJ0 on disk differs from LDC93S6A.

    Files that the lists do not name are never refused: those that cannot be read are counted in a warning.

    Args:
        files: listed name, `.../subset/talker/utterance.wav` -> file.
        seconds: duration of a file; None if it cannot be read.
    """
    named: dict[str, list[Path]] = {}
    for name, path in files.items():
        named.setdefault("/".join(PurePosixPath(name).parts[-3:-2]) or ".", []).append(path)
    is_wsj0 = _names_wsj0(files)
    for subset, paths in sorted(named.items()):
        present = utterances_below({path.parent.parent for path in paths})
        broken = [path for path in present if seconds(path) is None]
        if broken:
            logger.warning(
                "%s: %d of %d files cannot be read as audio, the first is %s; only those that the lists name matter",
                *(subset, len(broken), len(present), broken[0]),
            )
        hours = sum(seconds(path) or 0 for path in present) / 3600
        logger.info("%s: %d files on disk, %.2f h; the lists name %d", subset, len(present), hours, len(paths))
        expected = WSJ0_FILES.get(subset.lower()) if is_wsj0 else None
        if expected is not None and len(present) != expected:
            logger.warning(
                "%s: %d files found, %d expected in WSJ0 (LDC93S6A); all that the lists name are there",
                *(subset, len(present), expected),
            )


def _names_wsj0(names: Iterable[str]) -> bool:
    return all(PurePosixPath(name).parts[0].lower() == "wsj0" for name in names)

"""Take MERL's mixture lists out of their archive: take_mix_lists.py ARCHIVE FOLDER URL."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from spiking_tasnet.separation.corpora import census


def take(archive: Path, folder: Path) -> None:
    """Write the lists in `archive` to the new folder `folder`, with Unix line ends, all of them or none.

    Raises:
        ValueError: it is no archive, lacks a list, or holds another list than MERL's; the message says which.
    """
    with tempfile.TemporaryDirectory(prefix=".lists.", dir=folder.parent) as work:
        lists = Path(work) / "lists"
        lists.mkdir()
        try:
            with zipfile.ZipFile(archive) as stream:
                members = {PurePosixPath(name).name: name for name in stream.namelist()}
                for name in census.MERL_LISTS:
                    if name not in members:
                        raise ValueError(f"no {name} found in it")
                    (lists / name).write_bytes(stream.read(members[name]).replace(b"\r", b""))
        except zipfile.BadZipFile:
            raise ValueError("not a zip archive") from None
        other = [name for name in census.MERL_LISTS if not census.is_merl_list(lists / name)]
        if other:
            raise ValueError(f"its lists are not those of WSJ0-2mix (another SHA-256 found of {', '.join(other)})")
        lists.rename(folder)


if __name__ == "__main__":
    try:
        take(Path(sys.argv[1]), Path(sys.argv[2]))
    except (ValueError, OSError) as error:
        sys.exit(f"tools/fetch_mix_lists.sh: error: {sys.argv[1]}: {error}; fetch {sys.argv[3]} again")

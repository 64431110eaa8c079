"""NIST SPHERE files, as the LDC delivers WSJ0 (`.wv1`): header, plain samples, samples compressed with shorten."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import BinaryIO

from spiking_tasnet.files import printable

MAGIC = b"NIST_1A\n"
LONGEST_HEADER = 1 << 20  # bytes
INSTALLED = Path(__file__).resolve().parents[3] / "tools" / "sph2pipe" / "sph2pipe"  # by tools/install_sph2pipe.sh


def is_sphere(path: str | os.PathLike) -> bool:
    """Whether the file begins as SPHERE files do."""
    with open(path, "rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def read_header(path: str | os.PathLike) -> dict[str, int | float | str]:
    """Read the fields of a SPHERE header.

    Raises:
        ValueError: the header is damaged.
    """
    with open(path, "rb") as stream:
        start = stream.read(16)
        try:
            if start[: len(MAGIC)] != MAGIC:
                raise ValueError("no NIST_1A at its start")
            length = int(start[8:16])
            if not len(start) < length <= LONGEST_HEADER:
                raise ValueError(f"a length of {length} bytes")
            text = (start + stream.read(length - len(start))).decode("latin-1")
            lines = text.partition("end_head")[0].splitlines()[2:]
            fields: dict[str, int | float | str] = {}
            for line in lines:
                if line.strip() and not line.startswith(";"):
                    name, kind, value = line.split(maxsplit=2)
                    fields[name] = {"-i": int, "-r": float}.get(kind, str)(value.strip())
        except ValueError as error:
            reason = printable(str(error))
            raise ValueError(f"{printable(path)}: a damaged SPHERE header found ({reason}); copy it again") from None
    return fields


def is_compressed(header: dict[str, int | float | str]) -> bool:
    """Whether the samples are compressed with shorten, which libsndfile does not read."""
    return "shorten" in str(header.get("sample_coding", "pcm"))


def decode(path: str | os.PathLike, target: BinaryIO) -> None:
    """Write the samples of a compressed file to `target`, as a WAV file.

    sph2pipe does it, which is looked for in `SPH2PIPE`, in tools/sph2pipe and on the PATH.

    Raises:
        ValueError: the file is damaged, or there is no sph2pipe; the message says how to get one.
    """
    program, shown = sph2pipe(), printable(path)
    if program is None:
        raise ValueError(
            f"{shown}: samples compressed with shorten found, which need sph2pipe; run tools/install_sph2pipe.sh, or "
            "name one in SPH2PIPE"
        )
    command = [program, "-f", "wav", os.path.abspath(path)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=target, stderr=subprocess.PIPE, check=False)
    if done.returncode or not target.seek(0, os.SEEK_END):
        reason = done.stderr.decode("latin-1").strip().splitlines()[-1:] or ["no output"]
        raise ValueError(f"{shown}: sph2pipe failed ({printable(reason[0])}); copy the file again")


def sph2pipe() -> str | None:
    """The sph2pipe program, or None."""
    wanted = os.environ.get("SPH2PIPE")
    if wanted:
        return shutil.which(wanted)
    return str(INSTALLED) if INSTALLED.exists() else shutil.which("sph2pipe")

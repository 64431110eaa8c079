"""NIST SPHERE files, as the LDC delivers WSJ0 (`.wv1`): header, plain samples, samples compressed with shorten."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import soundfile

MAGIC = b"NIST_1A\n"
INSTALLED = Path(__file__).resolve().parents[2] / "tools" / "sph2pipe" / "sph2pipe"  # by tools/install_sph2pipe.sh


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
            text = (start + stream.read(int(start[8:16]) - 16)).decode("latin-1")
            lines = text.partition("end_head")[0].splitlines()[2:]
            fields: dict[str, int | float | str] = {}
            for line in lines:
                if line.strip() and not line.startswith(";"):
                    name, kind, value = line.split(maxsplit=2)
                    fields[name] = {"-i": int, "-r": float}.get(kind, str)(value.strip())
        except ValueError as error:
            raise ValueError(f"{path}: a damaged SPHERE header found ({error}); copy the file again") from None
    return fields


def read_sphere(path: str | os.PathLike) -> tuple[np.ndarray, int]:
    """Read a SPHERE file: samples float32 (n_samples, n_chan), full scale 1, and the rate in Hz.

    Plain samples are read by libsndfile; those compressed with shorten go through sph2pipe, which is looked for in
    `SPH2PIPE`, in tools/sph2pipe and on the PATH.

    Raises:
        ValueError: damaged, or compressed and there is no sph2pipe; the message says how to get one.
    """
    header = read_header(path)
    if "shorten" not in str(header.get("sample_coding", "pcm")):
        try:
            return soundfile.read(path, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{path}: cannot be read as SPHERE ({error}); copy the file again") from None
    program = sph2pipe()
    if program is None:
        raise ValueError(
            f"{path}: samples compressed with shorten found, which need sph2pipe; run tools/install_sph2pipe.sh, or "
            "name one in SPH2PIPE"
        )
    done = subprocess.run([program, "-f", "wav", str(path)], capture_output=True, check=False)
    if done.returncode or not done.stdout:
        reason = done.stderr.decode("latin-1").strip().splitlines()[-1:] or ["no output"]
        raise ValueError(f"{path}: sph2pipe failed ({reason[0]}); copy the file again")
    samples, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float32", always_2d=True)
    expected = header.get("sample_count")
    if expected is not None and len(samples) != expected:
        raise ValueError(f"{path}: {len(samples)} samples found, {expected} expected by its header; copy it again")
    return samples, rate


def sph2pipe() -> str | None:
    """The sph2pipe program, or None."""
    wanted = os.environ.get("SPH2PIPE")
    if wanted:
        return shutil.which(wanted)
    return str(INSTALLED) if INSTALLED.exists() else shutil.which("sph2pipe")

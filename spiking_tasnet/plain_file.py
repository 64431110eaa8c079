"""Plain tensors, numbers and text in one file of torch: what is damaged or foreign is refused before it is opened."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

PICKLE = b"\x80"  # how a pickle begins, which torch wrote as it is before it wrote archives
ARCHIVE = b"PK\3\4"
CODE = "it wants to run code when loaded"
SOURCE = "get one from a source you trust"


def read_plain(path: str | Path, what: str, advice: str) -> Any:
    """Read a file of `torch.save` that holds nothing but tensors, numbers and text; no code in it is ever run.

    torch itself takes a file with a flipped bit in its tensors; here the checksums of the archive are compared first.

    Args:
        path: the file.
        what: it should be, e.g. ``a model file``.
        advice: how to get one.

    Raises:
        OSError: it cannot be opened; the message names it.
        ValueError: it is empty, cut short, damaged, of another program, or wants to run code when loaded.
    """
    path = Path(path)
    wrong = _fault(path)
    if not wrong:
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:  # its own message advises to load the file with its code
            wrong = CODE
        except OSError as error:
            raise OSError(error.errno, error.strerror or "cannot be read", str(path)) from error
        except Exception as error:  # what was written by hand can raise almost anything
            if out_of_memory(error):
                raise
            wrong = "it is damaged"
    raise ValueError(f"{path}: not {what} of this toolkit: {wrong}; {SOURCE if wrong == CODE else advice}")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python or of torch says that memory did not suffice."""
    told = str(error)
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in told or "t allocate memory" in told)
    )


def _fault(path: Path) -> str:
    """What is wrong with an archive of tensors, or an empty string."""
    with open(path, "rb") as file:
        start = file.read(4)
    if not start:
        return "it is empty"
    if not zipfile.is_zipfile(path):
        if start.startswith(PICKLE):
            return CODE
        return "it is cut short" if start == ARCHIVE else "it is of another kind"
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if any(entry.filename.endswith("/constants.pkl") for entry in entries):  # TorchScript
                return CODE
            if not any(entry.filename.endswith("/data.pkl") for entry in entries):
                return "it is an archive of something else"
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):  # torch never compresses
                return "it is compressed"
            return "it is damaged" if archive.testzip() else ""
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, ValueError):
        return "it is damaged"

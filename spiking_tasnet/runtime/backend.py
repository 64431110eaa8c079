"""The C runtime from Python: compiled when it is first needed, called through cffi."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import cffi
import numpy as np

from spiking_tasnet.compiler import advice, use_library
from spiking_tasnet.snn.event_source import DEFINES
from spiking_tasnet.snn.event_source import SOURCES as KERNEL_SOURCES

__all__ = ["CSeparator", "runtime_fault"]

FOLDER = Path(__file__).parent
UNITS = tuple(FOLDER / name for name in ("separator.c", "layer.c", "dense.c", "stn.c"))
HEADERS = tuple(FOLDER / name for name in ("separator.h", "layer.h", "dense.h", "stn.h", "arena.h"))


class CSeparator:
    """A network that separates a stream of samples, all in C (separator.h).

    Args:
        model: contents of an .stn file.

    Raises:
        OSError: the runtime cannot be built here.
        ValueError: no such contents.
    """

    def __init__(self, model: bytes):
        ffi, self._library = _loaded()
        self._ffi, error = ffi, ffi.new("const char **")
        contents = np.frombuffer(model, np.uint8)
        if contents.ctypes.data % 4:  # a slice
            contents = np.concatenate([contents])
        handle = self._library.separator_open(ffi.from_buffer(contents), len(contents), error)
        if handle == ffi.NULL:
            raise ValueError(ffi.string(error[0]).decode())
        self._handle = ffi.gc(handle, self._library.separator_close, self._library.separator_memory(handle))
        self.sample_rate, self.n_src = self._fact("sample_rate"), self._fact("n_src")
        self.latency, self.memory = self._fact("latency"), self._fact("memory")
        self.stride, self.num_steps, self.n_layers = self._fact("stride"), self._fact("num_steps"), self._fact("layers")

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take samples of the mixture and give what is ready.

        Args:
            samples: (n_samples,), full scale 1, at the model's rate.

        Returns:
            (n_src, n_ready), float32.

        Raises:
            ValueError: samples that are not finite, or after `finish`.
        """
        samples = np.ascontiguousarray(samples, np.float32)
        given, place = self._ffi.from_buffer("float[]", samples), 0
        ready = [self._pull()]
        while place < len(samples):
            taken = self._library.separator_push(self._handle, given + place, len(samples) - place)
            if taken < 0:
                raise ValueError(
                    "NaN or infinite samples found, or samples after finish(); finite ones expected before"
                )
            place += taken
            ready.append(self._pull())
        return np.concatenate(ready, axis=1)

    def finish(self) -> np.ndarray:
        """The mixture ends: give the rest, so that as many samples of each source come out as went in."""
        self._library.separator_finish(self._handle)
        ready = [self._pull()]
        while ready[-1].shape[1]:
            ready.append(self._pull())
        return np.concatenate(ready, axis=1)

    def reset(self) -> None:
        """Begin another mixture."""
        self._library.separator_reset(self._handle)

    def channels(self, layer: int) -> int:
        """Neurons of a layer; layer 0 encodes."""
        return self._library.separator_channels(self._handle, layer)

    def frames(self, layer: int) -> int:
        """Frames that a layer has computed so far."""
        return self._library.separator_frames(self._handle, layer)

    def spikes(self, layer: int) -> int:
        """Spikes that a layer has fired so far."""
        return self._library.separator_spikes(self._handle, layer)

    def count(self, layer: int, frame: int) -> int | None:
        """Spikes of a frame; None where it is not there (any more)."""
        count = self._library.separator_count(self._handle, layer, frame)
        return None if count < 0 else count

    def words(self, layer: int, frame: int) -> np.ndarray | None:
        """Spikes of a frame, int32 (chan,), bit t for a spike at step t; None where it is not there (any more)."""
        words = self._library.separator_words(self._handle, layer, frame)
        if words == self._ffi.NULL:
            return None
        return np.frombuffer(self._ffi.buffer(words, 4 * self.channels(layer)), np.int32).copy()

    def _pull(self) -> np.ndarray:
        """What is ready, (n_src, n_ready)."""
        pieces, size = [], 4096
        while not pieces or pieces[-1].shape[1] == size:
            sources = np.empty((self.n_src, size), np.float32)
            given = self._library.separator_pull(self._handle, self._ffi.from_buffer("float[]", sources), size)
            pieces.append(sources[:, :given])
        return np.concatenate(pieces, axis=1)

    def _fact(self, name: str) -> int:
        return int(getattr(self._library, f"separator_{name}")(self._handle))


def runtime_fault() -> str:
    """Why the runtime cannot be had here; empty where it can."""
    try:
        _loaded()
    except OSError as error:
        return " ".join(str(error).split())
    return ""


@cache
def _loaded() -> tuple[Any, Any]:
    """Cffi's object that knows the interface, and the library."""
    ffi = cffi.FFI()
    lines = (FOLDER / "separator.h").read_text(encoding="utf-8").splitlines()
    skipped = ("#", 'extern "C"', "}\n")
    ffi.cdef("\n".join(line for line in lines if not line.startswith(skipped) and line != "}"))
    try:
        sources = (*UNITS, *HEADERS, *KERNEL_SOURCES)
        return ffi, use_library("separator", UNITS, sources, lambda path: ffi.dlopen(str(path)), DEFINES)
    except (OSError, subprocess.SubprocessError) as error:
        reason = " ".join(str(getattr(error, "stderr", None) or error).split())
        raise OSError(f"the C runtime cannot be built ({reason}); {advice(error)}, or leave the backend out") from None

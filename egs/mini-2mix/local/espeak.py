"""espeak-ng through ctypes: text in, int16 samples out. The library comes from the PyPI package `espeakng-loader`.

espeak-ng is GPL-3 and stays outside the package: only this corpus loads it. One process should hold one `Espeak`:
the library keeps global state (flutter phase, random numbers) that carries over from one utterance to the next, so
the samples depend on all that the process has said before. `isolate.py` gives every talker a process of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import tempfile
from pathlib import Path

import numpy as np

# Values of espeak-ng's speak_lib.h
AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_DONT_EXIT = 0x8000
CHARS_UTF8 = 1
POS_CHARACTER = 1
RATE, VOLUME, PITCH, RANGE = 1, 2, 3, 4

# espeak-ng keeps its data path in a fixed buffer: beyond about 155 characters it silently looks elsewhere.
LONGEST_DATA_PATH = 140

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def data_path() -> Path:
    """Return the folder of espeak-ng's voices and dictionaries.

    Raises:
        FileNotFoundError: `espeakng-loader` is not installed.
    """
    return Path(_loader().get_data_path())


def available_variants() -> list[str]:
    """Return the names of the bundled voice variants, sorted."""
    return sorted(path.name for path in (data_path() / "voices" / "!v").iterdir())


def _loader():
    try:
        import espeakng_loader
    except ImportError:
        raise FileNotFoundError(
            "espeakng_loader not found, but this corpus is spoken by espeak-ng (GPL-3): pip install espeakng-loader"
        ) from None
    return espeakng_loader


class Espeak:
    """A speaking espeak-ng, for a `with` statement.

    Attributes:
        sample_rate: of what `say` returns, in Hz.
        version: the library's version.

    Raises:
        FileNotFoundError: `espeakng-loader` is not installed, or its library or data cannot be loaded.
    """

    def __init__(self) -> None:
        """Load the library and its data."""
        loader = _loader()
        self._cleanup = contextlib.ExitStack()
        self._chunks: list[bytes] = []
        self._callback = _CALLBACK(self._collect)  # the library holds only a pointer to it: keep it alive
        try:
            self._library = ctypes.CDLL(loader.get_library_path())
        except OSError as error:
            raise FileNotFoundError(
                f"espeak-ng's library cannot be loaded ({error}): pip install --force-reinstall espeakng-loader"
            ) from None
        path = str(data_path())
        if len(path.encode()) > LONGEST_DATA_PATH:
            link = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="espeak"))) / "espeak-ng-data"
            link.symlink_to(path)
            path = str(link)
        self.sample_rate = self._library.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, 0, path.encode(), INITIALIZE_DONT_EXIT
        )
        if self.sample_rate <= 0:
            raise FileNotFoundError(
                f"{path}: espeak-ng cannot read its data: pip install --force-reinstall espeakng-loader"
            )
        self._library.espeak_Info.restype = ctypes.c_char_p
        self.version = self._library.espeak_Info(None).decode().split()[0]
        self._library.espeak_SetSynthCallback(self._callback)
        try:  # breath noise: seeded by the clock unless told otherwise
            self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        except AttributeError:
            raise FileNotFoundError(
                f"espeak-ng {self.version} found, 1.52 or newer expected: pip install --upgrade espeakng-loader"
            ) from None

    def __enter__(self) -> Espeak:
        """Return itself."""
        return self

    def __exit__(self, *_exception) -> None:
        """Remove the short name made for a long data path."""
        self._cleanup.close()

    def _collect(self, samples, n_samples: int, _events) -> int:
        if samples and n_samples > 0:
            self._chunks.append(ctypes.string_at(samples, 2 * n_samples))
        return 0  # 0: go on

    def say(
        self, text: str, accent: str, variant: str, *, pitch: int, pitch_range: int, rate: int, volume: int = 30
    ) -> np.ndarray:
        """Speak `text`.

        Args:
            text: one sentence.
            accent: an espeak-ng language, such as `en-us`.
            variant: a file name in `voices/!v`.
            pitch: 0 to 99; 50 is the variant's own, 100 an octave above it.
            pitch_range: 0 (monotone) to 99; 50 is the variant's own.
            rate: words per minute, 80 to 450.
            volume: 100 is espeak-ng's own, at which loud variants clip.

        Returns:
            int16 samples, shape (n_samples,), at `sample_rate`.

        Raises:
            ValueError: there is no such accent or variant.
        """
        # An unknown variant would be ignored without a word.
        if not (data_path() / "voices" / "!v" / variant).is_file():
            raise ValueError(f"espeak-ng variant {variant!r} not found; expected one of {available_variants()}")
        if self._library.espeak_SetVoiceByName(f"{accent}+{variant}".encode()) != 0:
            raise ValueError(f"espeak-ng accent {accent!r} not found; see `lang/` in {data_path()}")
        for parameter, value in ((RATE, rate), (VOLUME, volume), (PITCH, pitch), (RANGE, pitch_range)):
            self._library.espeak_SetParameter(parameter, int(value), 0)
        self._chunks.clear()
        raw = text.encode()
        size = ctypes.c_size_t(len(raw) + 1)
        self._library.espeak_Synth(raw, size, 0, POS_CHARACTER, 0, CHARS_UTF8, None, None)
        self._library.espeak_Synchronize()
        return np.frombuffer(b"".join(self._chunks), dtype=np.int16)

"""Audio that a command writes: `cmd |` in an scp of Kaldi, such as `sph2pipe -f wav x.wv1 |`.

No shell sees the command: it is split into words, and words into programs at each `|`. Redirections, variables,
substitutions and lists of commands are refused, so a line of somebody else's scp runs only the
programs that it names.
"""

from __future__ import annotations

import io
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from spiking_tasnet.separation.audio.files import read_mono


@dataclass(frozen=True)
class Pipe:
    """A command whose standard output is an audio file.

    Attributes:
        command: programs with their arguments, joined by `|`, run from the current folder as Kaldi does.
    """

    command: str

    def __str__(self) -> str:
        return f"{self.command} |"


def read_source(source: Path | Pipe, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """Read the audio (n_samples,) of one channel of a file or a command, and its rate in Hz.

    Raises:
        FileNotFoundError: no such file or program.
        ValueError: not audio, of several channels, of another rate than `sample_rate`, empty or not finite; the command
            failed, or needs a shell.
    """
    if not isinstance(source, Pipe):
        return read_mono(source, sample_rate)
    try:
        samples, rate = soundfile.read(io.BytesIO(output_of(source.command)), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise ValueError(f"`{source}`: its output cannot be read as audio ({error}); a WAV or FLAC expected") from None
    if samples.shape[1] != 1:
        raise ValueError(f"`{source}`: {samples.shape[1]} channels found, 1 expected; pick one in the command")
    if sample_rate is not None and rate != sample_rate:
        raise ValueError(f"`{source}`: {rate} Hz found, {sample_rate} Hz expected; resample in the command")
    if not len(samples) or not np.isfinite(samples).all():
        raise ValueError(f"`{source}`: no samples, or NaN or infinite ones, found; finite audio expected")
    return samples[:, 0], rate


def output_of(command: str) -> bytes:
    """Run programs joined by `|` and return what the last one writes.

    Raises:
        FileNotFoundError: a program is not installed.
        ValueError: a program failed, or the command needs a shell.
    """
    programs = split_programs(command)
    running: list[subprocess.Popen[bytes]] = []
    program = ""
    try:
        for words in programs:
            program, before = words[0], running[-1].stdout if running else None
            stdin = subprocess.DEVNULL if before is None else before
            running.append(subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
            if before is not None:
                before.close()  # ours: the program before must see when this one ends
        output = running[-1].communicate()[0]
        codes = [process.wait() for process in running]
    except FileNotFoundError:
        raise FileNotFoundError(f"`{command} |`: {program} not found; install it, or put it on the PATH") from None
    except OSError as error:
        raise OSError(f"`{command} |`: {program} cannot be run ({error.strerror})") from None
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
    if any(codes):
        failed = next(words[0] for words, code in zip(programs, codes, strict=True) if code)
        raise ValueError(f"`{command} |`: {failed} failed (exit code {max(codes, key=abs)}); run it by hand to see why")
    return output


def split_programs(command: str) -> list[list[str]]:
    """Split a command into programs, each a list of words.

    Raises:
        ValueError: it is empty, or needs a shell.
    """
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    programs: list[list[str]] = [[]]
    try:
        words = list(lexer)
    except ValueError as error:
        raise ValueError(f"`{command} |`: {str(error).lower()} found in a command, whole words expected") from None
    for word in words:
        if word == "|":
            programs.append([])
        elif set(word) <= set("();<>|&") or "$" in word or "`" in word:
            raise ValueError(f"`{command} |`: {word!r} needs a shell; programs joined by | expected, without it")
        else:
            programs[-1].append(word)
    if not all(programs):
        raise ValueError(f"`{command} |`: no program found on one side of a |")
    return programs

"""Runs the stages asked for: in order, each once, one run at a time, with a log and a marker for each."""

from __future__ import annotations

import errno
import fcntl
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from spiking_tasnet.stages.environment import ready_python
from spiking_tasnet.stages.markers import Markers
from spiking_tasnet.stages.options import parse
from spiking_tasnet.stages.process import Tee, run_command
from spiking_tasnet.stages.recipe import Command, Recipe, load_recipe
from spiking_tasnet.stages.signals import Signals


class Stopped(Exception):
    """The run is over before its last stage: exit code and what to say of it, if anything."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code


def run_recipe(path: str, words: Sequence[str]) -> int:
    """Run stages of the recipe in a folder by the words of a command line; return the exit code.

    Raises:
        FileNotFoundError: there is no recipe.
    """
    kind, folder = load_recipe(path)
    name = f"{folder.parent.name}/{folder.name}"
    run_sh = f"{path}/run.sh"
    try:
        given = {"help": True} if "-h" in words else parse(kind.all_options(), words)
        if "help" in given:
            print(help_text(kind, folder, run_sh))
            return 0
        stages = range(len(kind(folder, {}).stages()))
        first, stop = given.get("stage", 0), given.get("stop-stage", stages[-1])
        if first not in stages or stop not in stages:
            raise ValueError(f"--stage {first} --stop-stage {stop} found, 0 to {stages[-1]} expected")
        if first > stop:
            raise ValueError(
                f"--stage {first} --stop-stage {stop}: nothing to run; the stop stage comes before the first"
            )
        os.environ["SPIKING_TASNET_RECIPE"] = " ".join([f"{name}/run.sh", *words])
        os.environ["PYTHONUNBUFFERED"] = "1"
        with Signals() as signals:
            Runner(kind(folder, given), signals, shlex.join([run_sh, *words])).run(first, stop)
        return 0
    except Stopped as stopped:
        code, message = stopped.code, str(stopped)
    except (ValueError, OSError) as error:
        code, message = 1, f"error: {' '.join(str(error).split())}"
    if message:
        print(f"{name}: {message}", file=sys.stderr, flush=True)
    return code


def help_text(kind: type[Recipe], folder: Path, run_sh: str) -> str:
    """What --help prints."""
    blocks = {f"{title}:": options for title, options in _option_groups(kind).items() if options}
    stages = enumerate(zip(kind(folder, {}).stages(), kind.costs, strict=True))
    return "\n".join(
        [
            f"{kind.description}\n\nUsage: {run_sh} [--stage N] [--stop-stage N] [option...]\n",
            *(f"{title}\n" + "".join(f"{option}\n" for option in options) for title, options in blocks.items()),
            "Stages, and what they cost:",
            *(f"  {number}  {stage.title}: {cost}" for number, (stage, cost) in stages),
            "\nPaths are taken from the folder you are in. A finished stage is skipped.",
        ]
    )


def _option_groups(kind: type[Recipe]) -> dict[str, Sequence[object]]:
    from spiking_tasnet.stages.options import COMMON

    return {"This recipe": kind.options, f"Every {kind.kind} recipe": kind.kind_options, "Every recipe": COMMON}


class Runner:
    """Runs stages of one experiment.

    Args:
        recipe: with the options of this call.
        signals: noted while it runs.
        invocation: the command line, for the logs.
    """

    def __init__(self, recipe: Recipe, signals: Signals, invocation: str) -> None:
        self.recipe, self.signals, self.invocation = recipe, signals, invocation
        self.markers = Markers(recipe)
        self.force = bool(recipe.given.get("force"))
        self.python = ""
        self.locks: dict[Path, int] = {}  # folder -> file descriptor

    def run(self, first: int, stop: int) -> None:
        """Run the stages from `first` to `stop` that are not done.

        Raises:
            ValueError: they cannot run, with the reason.
            Stopped: one failed or was interrupted.
        """
        for number in range(first, stop + 1):
            self._stage(number)
        if stop == len(self.markers.stages) - 1:
            self._log(self.recipe.results())

    def _stage(self, number: int) -> None:
        markers, recipe, started = self.markers, self.recipe, time.monotonic()
        stage = markers.stages[number]
        markers.check_order(number)
        if not self.force and self._is_done(number):
            return
        if number == 0:
            recipe.check_corpus()
        if stage.trains and not recipe.config.is_file():
            raise ValueError(f"{recipe.config}: no such file; name the experiment's YAML with --config")
        self._environment()
        self._lock(number)
        try:
            markers.begin(number, self.force)
        except OSError as error:
            raise _not_writable("write", markers.begun(number), error) from None
        if recipe.costs[number]:
            self._log(f"what stage {number} costs: {recipe.costs[number]}")
        self._commands(number)
        try:
            markers.finish(number)
        except OSError as error:
            raise _not_writable("write", markers.marker(number), error) from None
        if number == 0:
            os.close(self.locks.pop(recipe.data))  # others may read the data now
        self._log(f"stage {number} done in {time.monotonic() - started:.0f} s")

    def _is_done(self, number: int) -> bool:
        markers = self.markers
        if markers.is_done(number):
            markers.check_same(number, markers.marker(number))
            gone = markers.missing(number)
            done = f"{markers.title(number)}: done on {markers.finished_at(number)}"
            if not gone:
                self._log(f"{done}, skipped; --force does it again")
                return True
            self._log(f"{done}, but {gone} is gone or empty")
        if markers.begun(number).exists():
            markers.check_same(number, markers.begun(number))
        return False

    def _environment(self) -> None:
        if not self.python:
            self.python = ready_python(self.signals) or ""
            self._check_signals()
        if not self.python:
            raise Stopped(1)

    def _lock(self, number: int) -> None:
        """Keep a second run, or what a killed one left running, out of the experiment, in stage 0 out of the data."""
        recipe = self.recipe
        self._hold(recipe.exp, "another run is at work in {}; wait for it, or give another --name")
        if number == 0:
            self._hold(recipe.data, "another run makes its data in {}; wait for it, or give another --data-dir")

    def _hold(self, folder: Path, busy: str) -> None:
        if folder in self.locks:
            return
        try:
            (folder / "log" if folder == self.recipe.exp else folder).mkdir(parents=True, exist_ok=True)
            # Not `spiking_tasnet.lock`: the commands inherit this lock, so one that outlives us still holds it.
            descriptor = os.open(folder / ".lock", os.O_WRONLY | os.O_CREAT, 0o666)
        except OSError as error:
            raise _not_writable("make", folder, error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                os.close(descriptor)
                raise ValueError(busy.format(folder)) from None
            # A file system without locks.
        self.locks[folder] = descriptor

    def _commands(self, number: int) -> None:
        """Run the commands of a stage, what they print on the screen and in its log."""
        path = self.recipe.exp / "log" / f"stage{number}.log"
        stage = self.markers.stages[number]
        tee = Tee(path)
        try:
            tee.line(self._dated(f"stage {number}: {stage.title}"))
            tee.line(f"$ {self.invocation}")
            for command in stage.commands():
                self._check_signals()
                tee.line(f"$ {trace(command)}")
                code = run_command(self._words(command), self.signals, tee, list(self.locks.values()))
                self._check_signals()
                if code:
                    raise Stopped(code, f"error: stage {number} failed with exit code {code}; see {path}")
        finally:
            tee.close()

    def _words(self, command: Command) -> list[str]:
        return [self.python, *([] if command[0].endswith(".py") else ["-m", "spiking_tasnet"]), *command]

    def _check_signals(self) -> None:
        if self.signals.received is not None:
            print(file=sys.stderr)
            raise Stopped(128 + self.signals.received, "interrupted; the same command goes on where it stopped")

    def _dated(self, text: str) -> str:
        return f"{time.strftime('%Y-%m-%d %H:%M:%S')} {self.recipe.name}: {text}"

    def _log(self, text: str) -> None:
        print(self._dated(text), flush=True)


def trace(command: Command) -> str:
    """A command as a user may type it."""
    return shlex.join(command if command[0].endswith(".py") else ["spiking-tasnet", *command])


def _not_writable(verb: str, path: Path, error: OSError) -> ValueError:
    reason = error.strerror or error
    return ValueError(f"cannot {verb} {path} ({reason}); is the disk full, or not yours to write?")

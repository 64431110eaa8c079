"""Which stages are done, with which parameters, and whether what they made is still there.

A stage that starts writes its parameters to `<marker>.begun`; one that ends adds what it made and renames the file to
`<marker>`, which therefore stands only for a finished stage. An interrupted one is done again, and its commands go on
from what they find. A stage that starts takes the markers of later stages away, so that a marker also vouches for those
before it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spiking_tasnet.files import write_json
from spiking_tasnet.parameters import SPEED_ONLY, differing
from spiking_tasnet.stages.recipe import Recipe, Stage
from spiking_tasnet.yaml_base import with_bases

EPOCHS = re.compile(r"[a-z_]+\.max_epochs=")


class Markers:
    """The markers of one experiment, and of the data it reads.

    Args:
        recipe: with the options of this call.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.stages = recipe.stages()

    def marker(self, number: int) -> Path:
        """The marker of a stage."""
        return self.recipe.exp / ".done" / f"stage{number}" if number else self.recipe.data / ".done"

    def begun(self, number: int) -> Path:
        """What stands for a stage that has begun."""
        marker = self.marker(number)
        return marker.with_name(f"{marker.name}.begun")

    def folder(self, number: int) -> Path:
        """Where a stage puts what it makes."""
        return self.recipe.exp if number else self.recipe.data

    def title(self, number: int) -> str:
        """`stage 1 (train the ANN)`, for messages."""
        return f"stage {number} ({self.stages[number].title})"

    # Parameters.

    def parameters(self, number: int) -> dict[str, Any]:
        """What decides on the result of a stage; paths are written so that they stay when folders are moved."""
        recipe, stage = self.recipe, self.stages[number]
        values: dict[str, Any] = {}
        if number:
            values[recipe.data_title] = (read_marker(self.marker(0)) or {}).get("parameters")
        if stage.trains:
            settings = [text for text in recipe.given.get("set", []) if text.partition("=")[0] not in SPEED_ONLY]
            values |= {"config": digest_of(recipe.config), "set": settings or None, "seed": recipe.given.get("seed")}
        for name in stage.parameters:
            value = recipe.given.get(name)
            values[name] = [self._portable(one) for one in value] if isinstance(value, list) else self._portable(value)
        return values

    def _portable(self, value: Any) -> Any:
        """A path beside the data or in the checkout by its name there, so that they may be moved."""
        if isinstance(value, Path):
            for place, prefix in ((self.recipe.data.parent, ""), (self.recipe.checkout, "<checkout>/")):
                if place in value.parents:
                    return f"{prefix}{value.relative_to(place)}"
            return str(value)
        return value

    def check_same(self, number: int, path: Path) -> None:
        """Raise `ValueError` if a stage was begun or finished, as the file `path` says, with other parameters."""
        if number == 0 and not self.recipe.corpus():
            return  # what is there is meant
        there, here = (read_marker(path) or {}).get("parameters"), self.parameters(number)
        if not isinstance(there, dict):
            return
        if path == self.begun(number):  # it may go on for more epochs; the command checks that
            there, here = _without_epochs(there), _without_epochs(here)
        differs = [f"{key} '{_shown(old)}' there, '{_shown(new)}' here" for key, old, new in differing(there, here)]
        if differs:
            other = "another --name" if number else "another --data-dir"
            raise ValueError(
                f"stage {number} ran with other parameters ({'; '.join(differs)}, in {path}); give {other}, or --force "
                "to replace its results"
            )

    # What is done.

    def check_order(self, number: int) -> None:
        """Raise `ValueError` if a stage before this one has not finished, or what it made is gone."""
        for before in range(number):
            needs, advice = f"stage {number} needs {self.title(before)}", f"run --stage {before} first"
            if read_marker(self.marker(before)) is None:
                state = "of another version" if self.marker(before).exists() else "missing"
                raise ValueError(f"{needs}, which has not finished ({self.marker(before)} is {state}); {advice}")
            gone = self.missing(before)
            if gone:
                raise ValueError(f"{needs}, but {gone} is gone or empty; {advice}")

    def is_done(self, number: int) -> bool:
        """Whether a stage has finished; a marker that this version cannot read does not count."""
        return read_marker(self.marker(number)) is not None

    def missing(self, number: int) -> Path | None:
        """The first thing that a finished stage made and that is gone or empty."""
        for name in (read_marker(self.marker(number)) or {}).get("made", []):
            if not has_something(self.folder(number) / name):
                return self.folder(number) / name
        return None if number else self.recipe.missing_data()

    def finished_at(self, number: int) -> str:
        """When a stage finished."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.marker(number).stat().st_mtime))

    # Changes.

    def begin(self, number: int, force: bool) -> None:
        """Take away the markers of a stage and of those that rest on it, with `force` what they made too."""
        # An experiment remembers its data by their parameters, so stage 0 need not take experiments away.
        for later in range(number, len(self.stages) if number else 1):
            self.marker(later).unlink(missing_ok=True)
            if force or later > number:
                self.begun(later).unlink(missing_ok=True)
            if force:
                for path in self._made(later):
                    remove(path)
        self._write(number, [])

    def finish(self, number: int) -> None:
        """Mark a stage as done, naming what it made."""
        names = [str(path.relative_to(self.folder(number))) for path in self._made(number) if has_something(path)]
        self._write(number, names)
        os.replace(self.begun(number), self.marker(number))

    def _write(self, number: int, made: list[str]) -> None:
        stage: Stage = self.stages[number]
        content = {"stage": number, "title": stage.title, "parameters": self.parameters(number), "made": made}
        write_json(self.begun(number), content, durable=True)

    def _made(self, number: int) -> Iterator[Path]:
        for pattern in self.stages[number].makes:
            yield from sorted(self.folder(number).glob(pattern))


def read_marker(path: Path) -> dict[str, Any] | None:
    """A marker's content; None where there is none, or one of another version."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("made"), list) else None


def digest_of(config: Path) -> str:
    """A digest of a YAML and of those it is based on."""
    import hashlib

    digest = hashlib.sha256()
    for path in with_bases(config):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def has_something(path: Path) -> bool:
    """Whether a folder or a file has something in it."""
    if path.is_dir():
        return any(path.iterdir())
    return path.is_file() and path.stat().st_size > 0


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _without_epochs(parameters: dict[str, Any]) -> dict[str, Any]:
    settings = parameters.get("set")
    if not isinstance(settings, list):
        return parameters
    kept = [text for text in settings if not (isinstance(text, str) and EPOCHS.match(text))]
    return {**parameters, "set": kept or None}


def _shown(value: Any) -> str:
    """A parameter in a message."""
    if isinstance(value, dict):
        return " ".join(f"{key}={_shown(inner)}" for key, inner in value.items() if inner is not None)
    if isinstance(value, list):
        return " ".join(map(_shown, value))
    return "" if value is None else str(value)

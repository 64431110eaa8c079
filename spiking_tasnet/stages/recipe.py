"""What a recipe is: a `recipe.py` whose class `Recipe` says what its stages run and what decides on their results."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from spiking_tasnet.stages.options import COMMON, Given, Option, callers_folder

Command = list[str]  # words of `spiking-tasnet`, or a Python script and its arguments


@dataclass(frozen=True)
class Stage:
    """One numbered stage.

    Attributes:
        title: what it does, for messages and --help.
        makes: what it leaves, as patterns: of stage 0 in the folder of the data, of others in that of the experiment.
        commands: what it runs, in order; called with nothing when the stage starts.
        parameters: options that decide on its result.
        trains: the config, --set and --seed decide on it as well.
    """

    title: str
    makes: tuple[str, ...]
    commands: Callable[[], Iterable[Command]]
    parameters: tuple[str, ...] = ()
    trains: bool = False


class Recipe:
    """One recipe with the options of one call; the base of `SeparationRecipe` and `VisionRecipe`.

    Args:
        folder: where its recipe.py is.
        given: options by name, as `parse` returns them.

    Raises:
        ValueError: options that do not go together.
    """

    kind: ClassVar[str]  # for --help
    kind_options: ClassVar[tuple[Option, ...]] = ()  # of all recipes of the kind
    data_title: ClassVar[str]  # one word for what stage 0 makes
    description: ClassVar[str]  # one line, for --help
    default_config: str  # YAML, from the recipe's folder
    costs: ClassVar[tuple[str, ...]]  # what each stage takes: time, disk
    options: ClassVar[tuple[Option, ...]] = ()  # of this recipe only

    def __init__(self, folder: Path, given: Given) -> None:
        self.folder = folder
        self.given = given
        self.prepare()
        self.config: Path = given.get("config", folder / self.default_config)
        self.experiment: str = given.get("name", re.sub(r"\.yaml$", "", self.config.name))
        if not re.fullmatch("[A-Za-z0-9_][A-Za-z0-9._-]*", self.experiment):
            raise ValueError(f"--name '{self.experiment}' found, letters, digits and . _ - expected")
        self.data: Path = given.get("data-dir", folder / "data")
        self.exp: Path = given.get("exp-dir", folder / "exp") / self.experiment

    @property
    def name(self) -> str:
        """Where it is, such as `recipes/mnist`: the first word of its messages."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def checkout(self) -> Path:
        """The folder of the project."""
        return self.folder.parents[1]

    @classmethod
    def all_options(cls) -> tuple[Option, ...]:
        """The options of the recipe, of its kind and of all recipes."""
        return (*cls.options, *cls.kind_options, *COMMON)

    def words(self, *names: str) -> list[str]:
        """The options of these names that were given, as words of a command line."""
        words: list[str] = []
        for name in names:
            value = self.given.get(name)
            for one in value if isinstance(value, list) else [value]:
                words += [] if one is None else [f"--{name}"] if one is True else [f"--{name}", str(one)]
        return words

    def training(self) -> list[str]:
        """Words that every command of a training takes."""
        presets = [word for setting in self.presets() for word in ("--set", setting)]
        places = ["--config", str(self.config), "--data", str(self.data), "--exp", str(self.exp)]
        return [*places, *presets, *self.words("set", "seed", "threads")]

    # What a kind of recipe, or a recipe, says.

    def prepare(self) -> None:
        """Called first: may check `given` and add defaults to it, and may choose `default_config`."""

    def stages(self) -> list[Stage]:
        """The stages, from 0 on."""
        raise NotImplementedError

    def presets(self) -> list[str]:
        """`KEY=VALUE` of the config that options decide; the user's --set come after them."""
        return []

    def corpus(self) -> Any:
        """The corpus that the options name; without one, what stage 0 has made is taken as it is."""
        raise NotImplementedError

    def check_corpus(self) -> None:
        """Raise `ValueError` if stage 0 has no corpus to read."""

    def missing_data(self) -> Path | None:
        """A file that the data need and that is not there."""

    def results(self) -> str:
        """Where the results are; logged after the last stage."""
        raise NotImplementedError


def load_recipe(path: str | Path) -> tuple[type[Recipe], Path]:
    """The class in a recipe's `recipe.py`, and the recipe's folder.

    Raises:
        FileNotFoundError: there is no recipe.
        ValueError: its recipe.py defines no recipe.
    """
    folder = Path(os.path.normpath(callers_folder() / path))  # as a shell goes up: by name
    script = folder / "recipe.py"
    if not script.is_file():
        raise FileNotFoundError(f"{path}: no recipe.py there; name the folder of a recipe, such as recipes/mnist")
    spec = importlib.util.spec_from_file_location("recipe", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = getattr(module, "Recipe", None)
    if not (isinstance(found, type) and issubclass(found, Recipe)):
        raise ValueError(f"{script}: no class Recipe found, one of spiking_tasnet.stages expected")
    return found, folder

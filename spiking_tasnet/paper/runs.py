"""Trainings by their settings: each is made once, in a folder named after what decides it, and shared by all exhibits.

`OUT/runs/<corpus>-<network>-<method>-...-seed<n>-<digest>/<method>` is a folder of `run_method`; model.pt is written
last, so it marks a training that is over.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spiking_tasnet.files import read_json, write_json
from spiking_tasnet.training.checkpoint import remove_checkpoints
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.corpora import read_corpus
from spiking_tasnet.vision.deciding import deciding, needs_ann
from spiking_tasnet.vision.evaluate import test_method
from spiking_tasnet.vision.train import run_method

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """One training that an exhibit needs.

    Attributes:
        label: the exhibit's name for it; runs of several seeds share it.
        method: of `METHODS`.
        config: resolved, with its seed.
    """

    label: str
    method: str
    config: Config


@dataclass(frozen=True)
class Done:
    """A run that is over.

    Attributes:
        run: what was asked for.
        folder: what `run_method` left.
        test: what `test_method` found; empty where no test was asked for.
    """

    run: Run
    folder: Path
    test: dict[str, Any] = field(default_factory=dict)


class Runs:
    """The trainings of a folder.

    Args:
        data_dir: what stage 0 made.
        folder: holds one folder a training.

    Raises:
        FileNotFoundError: stage 0 did not run.
    """

    def __init__(self, data_dir: Path, folder: Path):
        """See the class."""
        self.data_dir, self.folder = data_dir, folder
        self.corpus = read_corpus(data_dir)

    def place(self, method: str, config: Config) -> Path:
        """The folder of a training, whether it is there or not."""
        data = dataclasses.asdict(self.corpus)
        del data["folder"]  # where images lie changes no result
        facts = {"method": method, "data": data, "settings": deciding(method, config)}
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:10]
        words = [self.corpus.corpus, config.model.network, method]
        if method != "ann":
            words.append(f"Ns{config.rivals.rate_steps if method == 'rate' else config.ptl.num_steps}")
        if method in ("ptl", "primitive") and config.ptl.weight_bits:
            words.append(f"{config.ptl.weight_bits}bit")
        return self.folder / "-".join([*words, f"seed{config.seed}", digest]) / method

    def obtain(self, runs: Sequence[Run], tested: bool) -> list[Done]:
        """Make what is not there yet, in order, each ANN before what converts it.

        Args:
            runs: what an exhibit needs.
            tested: read the test set with each of them.

        Raises:
            ValueError: of `run_method`, naming the run.
        """
        wanted: dict[Path, tuple[str, Config]] = {}
        for run in runs:
            if needs_ann(run.method, run.config):
                wanted.setdefault(self.place("ann", run.config), ("ann", run.config))
            wanted.setdefault(self.place(run.method, run.config), (run.method, run.config))
        for number, (place, (method, config)) in enumerate(wanted.items(), start=1):
            told = f"run {number} of {len(wanted)}, {place.parent.name}"
            with _alone(place.parent):
                if (place / "model.pt").is_file():
                    logger.info("%s: there already", told)
                else:
                    logger.info("%s", told)
                    self._train(place, method, config)
        done = []
        for number, run in enumerate(runs, start=1):
            place = self.place(run.method, run.config)
            done.append(Done(run, place, self._test(place, f"{number} of {len(runs)}") if tested else {}))
        return done

    def _train(self, place: Path, method: str, config: Config) -> None:
        ann = self.place("ann", config) / "model.pt" if needs_ann(method, config) else None
        try:
            run_method(method, config, self.data_dir, place.parent, ann=ann)
        except ValueError as error:
            raise ValueError(f"{place.parent.name}: {error}") from None
        remove_checkpoints(place / "last.ckpt")

    def _test(self, place: Path, number: str) -> dict[str, Any]:
        path = place / "test.json"
        if not path.is_file():
            logger.info("test %s, %s", number, place.parent.name)
            write_json(path, test_method(self.data_dir, place))
        return read_json(path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time train in a folder; another waits, and then finds the run there."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

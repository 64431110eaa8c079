"""Trainings by their settings: each is made once, in a folder named after what decides it, and shared by all exhibits.

`OUT/runs/<corpus>-<network>-<method>-...-seed<n>-<digest>/<method>` is a folder of `run_method`. It writes model.pt
last, so that file marks a finished training.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spiking_tasnet.files import read_json, write_json
from spiking_tasnet.training.checkpoint import remove_checkpoints
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.corpora import read_corpus
from spiking_tasnet.vision.deciding import deciding
from spiking_tasnet.vision.evaluate import evaluate_method
from spiking_tasnet.vision.methods import METHODS, needs_ann
from spiking_tasnet.vision.train import run_method

logger = logging.getLogger(__name__)
Choices = Mapping[str, tuple[Any, ...]]  # option of an exhibit -> the values to go through


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
class FinishedRun(Run):
    """A training that is over.

    Attributes:
        folder: what `run_method` left.
        test: what `evaluate_method` measured; empty where no test was asked for.
    """

    folder: Path = Path()
    test: Mapping[str, Any] = field(default_factory=dict)


class Runs:
    """The trainings under one folder.

    Args:
        data_dir: what stage 0 made.
        root: holds one folder per training.

    Raises:
        FileNotFoundError: stage 0 did not run.
    """

    def __init__(self, data_dir: Path, root: Path):
        """Read which corpus it is."""
        self.data_dir, self.root = data_dir, root
        self.corpus = read_corpus(data_dir)

    def folder(self, method: str, config: Config) -> Path:
        """The folder of a training, whether it exists or not."""
        data = dataclasses.asdict(self.corpus)
        del data["folder"]  # the location of the images changes no result
        facts = {"method": method, "data": data, "settings": deciding(method, config)}
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:10]
        words = [self.corpus.corpus, config.model.network, method]
        if method != "ann":
            words.append(f"Ns{config.baselines.rate_steps if method == 'rate' else config.ptl.num_steps}")
        if METHODS[method].constrained and config.ptl.weight_bits:
            words.append(f"{config.ptl.weight_bits}bit")
        return self.root / "-".join([*words, f"seed{config.seed}", digest]) / method

    def obtain(self, runs: Sequence[Run], tested: bool) -> list[FinishedRun]:
        """Make what does not exist yet, in order, each ANN before what converts it.

        Args:
            runs: what an exhibit needs.
            tested: read the test set with each of them.

        Raises:
            ValueError: of `run_method`, naming the run.
        """
        needed: dict[Path, tuple[str, Config]] = {}
        for run in runs:
            if needs_ann(run.method, run.config):
                needed.setdefault(self.folder("ann", run.config), ("ann", run.config))
            needed.setdefault(self.folder(run.method, run.config), (run.method, run.config))
        for number, (folder, (method, config)) in enumerate(needed.items(), start=1):
            title = f"run {number} of {len(needed)}, {folder.parent.name}"
            with _alone(folder.parent):
                if (folder / "model.pt").is_file():
                    logger.info("%s: there already", title)
                else:
                    logger.info("%s", title)
                    self._train(folder, method, config)
        finished = []
        for number, run in enumerate(runs, start=1):
            folder = self.folder(run.method, run.config)
            test = self._test(folder, f"{number} of {len(runs)}") if tested else {}
            finished.append(FinishedRun(run.label, run.method, run.config, folder, test))
        return finished

    def _train(self, folder: Path, method: str, config: Config) -> None:
        ann = self.folder("ann", config) / "model.pt" if needs_ann(method, config) else None
        try:
            run_method(method, config, self.data_dir, folder.parent, ann=ann)
        except ValueError as error:
            raise ValueError(f"{folder.parent.name}: {error}") from None
        remove_checkpoints(folder / "last.ckpt")

    def _test(self, folder: Path, number: str) -> dict[str, Any]:
        path = folder / "test.json"
        if not path.is_file():
            logger.info("test %s, %s", number, folder.parent.name)
            write_json(path, evaluate_method(self.data_dir, folder))
        return read_json(path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time train in a folder; a second one waits, and then finds the training done."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

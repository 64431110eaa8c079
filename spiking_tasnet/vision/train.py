"""One training of an experiment: the ANN, its conversion by PTL, or a baseline. Each writes a folder of its own."""

from __future__ import annotations

import dataclasses
import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from spiking_tasnet.files import write_json
from spiking_tasnet.processes import is_first
from spiking_tasnet.ptl import EndToEnd, ProgressiveTandemLearning, stage_column, write_stages
from spiking_tasnet.snn import Constraints, convert
from spiking_tasnet.snn.words import MAX_PACKED_STEPS
from spiking_tasnet.training import BestState, claimed, fingerprint, fit, loader_faults, run_facts
from spiking_tasnet.training.fit import TrainingFacts
from spiking_tasnet.vision.config import Config, TrainConfig
from spiking_tasnet.vision.data import VisionData
from spiking_tasnet.vision.deciding import deciding
from spiking_tasnet.vision.methods import METHODS, needs_ann
from spiking_tasnet.vision.module import VisionModule
from spiking_tasnet.vision.networks import build_network, load_model, save_model

logger = logging.getLogger(__name__)
THRESHOLD_BATCHES = 10  # that set the thresholds of conversions without training, as many as in the literature


def run_method(method: str, config: Config, data_dir: Path, exp_dir: Path, ann: Path | None = None) -> Path:
    """Train or convert by one method. An interrupted training is resumed.

    Args:
        method: of `METHODS`.
        config: the experiment.
        data_dir: what stage 0 made.
        exp_dir: gets the result in `exp_dir/<method>`.
        ann: model file of the ANN to convert, by default `exp_dir/ann/model.pt`.

    Returns:
        The path of the model.

    Raises:
        FileNotFoundError: stage 0 did not run, or the method needs an ANN and there is none.
        SystemExit: with code 0 in a process that is not the first, when that is done.
        ValueError: the method is unknown; the ANN is not of the configured size; the epochs did not suffice for all
            stages; another process trains in `exp_dir/<method>`, or one has trained there with other settings.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r} found, one of {', '.join(METHODS)} expected")
    if not METHODS[method].trains and not is_first(config.train):
        raise SystemExit(0)  # what is not trained takes one process
    pl.seed_everything(config.seed, verbose=False)
    data = VisionData(data_dir, config.data, config.seed)
    out = exp_dir / method
    arguments: dict[str, Any] = dataclasses.asdict(config.model) | {
        "name": config.model.network,
        "image": list(data.corpus.image),
        "n_classes": len(data.corpus.classes),
    }
    del arguments["network"]
    origin = {"data": _data_fingerprint(data)}
    if needs_ann(method, config):
        network = _trained_ann(ann or exp_dir / "ann" / "model.pt", arguments)
        origin["ANN"] = fingerprint(network)
    else:
        network = build_network(**arguments)
    with claimed(out, config, partial(deciding, method), origin, first=is_first(config.train)):
        facts = run_facts(config.seed).as_dict() | {"train_images": len(data.train_index), "method": method}
        if METHODS[method].trains:
            facts |= dataclasses.asdict(_train(method, config, network, data, out))
        else:
            _convert_only(method, config, network, data)
            facts["epochs"] = 0
        write_json(out / "run.json", facts, durable=True)
        save_model(out / "model.pt", network.eval(), arguments)
    logger.info("%s written", out / "model.pt")
    return out / "model.pt"


def _data_fingerprint(data: VisionData) -> str:
    """A digest of the training data that does not depend on its folder."""
    facts = dataclasses.asdict(data.corpus)
    del facts["folder"]
    return fingerprint(json.dumps(facts, sort_keys=True))


def _trained_ann(path: Path, arguments: dict[str, Any]) -> nn.Module:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no trained ANN; run stage 1 (method ann) first")
    network = load_model(path)
    fresh = build_network(**arguments)
    shapes = [{key: value.shape for key, value in net.named_parameters()} for net in (network, fresh)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"{path}: an ANN of other sizes found than the configuration says; run stage 1 again")
    return network


def _train(method: str, config: Config, network: nn.Module, data: VisionData, out: Path) -> TrainingFacts:
    schedule: TrainConfig = {"ann": config.ann, "ptl": config.snn}.get(method, config.end_to_end)
    module = VisionModule(network.train(), schedule, reconstruct=config.model.reconstructs)
    ptl = ProgressiveTandemLearning(config.ptl, rate=module.rate_in_stage)
    callbacks: list[pl.Callback]
    if method == "ann":
        callbacks = [BestState()]
    elif method == "ptl":
        callbacks = [ptl]
    else:
        settings = config.ptl.settings(
            "tandem" if method == "tandem" else "surrogate",
            decay=config.baselines.lif_decay if method == "lif" else 1.0,
            folded=config.baselines.pretrained,
            constraints=Constraints(),
        )
        callbacks = [EndToEnd(settings), BestState()]
    facts = fit(
        module,
        data,
        out,
        callbacks,
        metrics=module.metrics,
        columns=[ptl.history_column if method == "ptl" else stage_column()],
        describe=module.describe,
        max_epochs=schedule.max_epochs,
        precision=schedule.precision,
        processes=config.train,
    )
    if method == "ptl":
        if not ptl.finished:
            raise ValueError(
                f"{len(ptl.records)} PTL stages begun when snn.max_epochs = {schedule.max_epochs} were over, all "
                "expected to end; raise it, or lower ptl.patience or set ptl.max_epochs_per_stage, and run again"
            )
        write_stages(out / "stages.json", ptl.records)
    return facts


def _convert_only(method: str, config: Config, network: nn.Module, data: VisionData) -> None:
    with loader_faults():
        batches = [batch for batch, _ in zip(data.train_dataloader(), range(THRESHOLD_BATCHES), strict=False)]

    def run() -> None:
        for images, _ in batches:
            network(images)

    with torch.no_grad():
        if method == "primitive":
            convert(network, run, config.ptl.settings())
        else:
            convert(
                network,
                run,
                config.ptl.settings("rate", constraints=Constraints()),
                percentile=config.baselines.rate_percentile,
                num_steps=MAX_PACKED_STEPS,
            )

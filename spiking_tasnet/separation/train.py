"""Train the ANN, and convert it with progressive tandem learning: one trainer for both."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from spiking_tasnet.files import write_json
from spiking_tasnet.models import network_path
from spiking_tasnet.processes import is_first
from spiking_tasnet.ptl import ProgressiveTandemLearning, stage_column, write_stages
from spiking_tasnet.separation.causal import differs_in_sight, looking_back
from spiking_tasnet.separation.config import Config, TrainConfig
from spiking_tasnet.separation.data import SeparationData
from spiking_tasnet.separation.module import SeparationModule
from spiking_tasnet.separation.network import TasNet, save_model
from spiking_tasnet.separation.packed import load_network
from spiking_tasnet.separation.residual import add_residuals, fold_residuals, hold_folded, unfold_residuals
from spiking_tasnet.training import BestState, MovingAverage, claimed, fingerprint, fit, run_facts
from spiking_tasnet.training.claim import outcome_settings
from spiking_tasnet.training.history import Column

logger = logging.getLogger(__name__)
INIT_BATCHES = 20  # of training, that batch norms get their statistics from where residual connections are unfolded
ALWAYS = ("model", "data", "mixing", "seed")  # sections that decide every training


def train_ann(config: Config, data_dir: Path, exp_dir: Path, init: Path | None = None) -> Path:
    """Train the analog network; best epoch by development loss.

    Args:
        config: the experiment.
        data_dir: what stage 0 made.
        exp_dir: the result goes to `exp_dir/ann`; a run that was interrupted there goes on.
        init: a model.pt, a packed file, or the name of a shipped network, whose ANN of the same sizes to start from, or
            a causal network of these sizes from one that looks ahead too (`looking_back`); None for random weights.
            What is drawn for training depends on it, so that a network that goes on hears other mixtures than before.

    Returns:
        The path of the model.

    Raises:
        ValueError: another training is at work in `exp_dir/ann`, or was, with other settings or data; or the network
            diverged.
    """
    pl.seed_everything(config.seed, verbose=False)
    given = load_network(init, ann=True) if init else None
    begun_with = fingerprint(given) if given is not None else ""
    data = _data(config, config.ann, data_dir, begun_with)
    network = _start(config, data, init, given)
    module = SeparationModule(network, config.ann)
    stop = EarlyStopping(module.monitor, patience=config.ann.stop_after, check_on_train_epoch_end=True)
    average = MovingAverage(config.ann.average) if config.ann.average else None
    callbacks = [*([average] if average else []), BestState(module.monitor, average), stop]
    out, origin = exp_dir / "ann", {"data": _data_fingerprint(data)}
    if init:
        origin["model to start from"] = begun_with
    with claimed(out, config, _deciding("ann"), origin, first=is_first(config.train)):
        return _fit(config, config.ann, module, data, out, callbacks, stage_column())


def _start(config: Config, data: SeparationData, init: Path | None, network: TasNet | None) -> TasNet:
    """The network that a training starts from: what `init` holds, or a new one."""
    if network is None:
        network = TasNet(config.model)
        if config.ann.residual:
            add_residuals(network)
        return network
    if not network.is_spiking and differs_in_sight(network.config, config.model):
        network = looking_back(network, config.model)
    if network.is_spiking or network.config != config.model:
        raise ValueError(
            f"{init}: a network of other sizes, or a spiking one, found; --init takes an ANN of these sizes"
        )
    if config.ann.residual:
        batches = [mixture for _, (mixture, _) in zip(range(INIT_BATCHES), data.train_dataloader(), strict=False)]
        unfold_residuals(network, lambda: [network(mixture) for mixture in batches])
    return network.train()


def convert_ann(config: Config, data_dir: Path, exp_dir: Path, ann: Path | None = None) -> Path:
    """Convert an ANN to spikes by progressive tandem learning.

    Args:
        config: the experiment.
        data_dir: what stage 0 made.
        exp_dir: the result goes to `exp_dir/snn`; a run that was interrupted there goes on.
        ann: a model.pt, a packed file, or the name of a shipped network; None for `exp_dir/ann/model.pt`.

    Returns:
        The path of the model, in `exp_dir/snn`, beside `stages.json`.

    Raises:
        FileNotFoundError: no ANN.
        ValueError: the ANN has other sizes than the configuration says; the epochs did not suffice for all stages;
            another conversion is at work in `exp_dir/snn`, or was, with other settings, data or ANN.
    """
    source = network_path(ann) if ann else exp_dir / "ann" / "model.pt"
    if not source.exists():
        raise FileNotFoundError(f"{source}: no trained ANN; run stage 1 first")
    network = load_network(source, ann=True)
    if network.is_spiking:
        raise ValueError(f"{source}: a spiking network found, an ANN expected")
    hold_folded(network)
    if config.snn.average or config.snn.residual:
        raise ValueError("snn.average or snn.residual found: they are for the ANN; converted layers change meaning")
    if config.snn.activity_penalty:
        raise ValueError("snn.activity_penalty found: it is for the ANN; snn.spike_penalty is the conversion's")
    if network.config != config.model:
        raise ValueError(f"{source}: an ANN of other sizes found than the configuration says; run stage 1 again")
    pl.seed_everything(config.seed, verbose=False)
    out, data = exp_dir / "snn", _data(config, config.snn, data_dir)
    origin = {"data": _data_fingerprint(data), "ANN": fingerprint(network)}
    teacher = load_network(source, ann=True).requires_grad_(False) if config.snn.distil else None
    module = SeparationModule(network, config.snn, teacher=teacher)
    ptl = ProgressiveTandemLearning(config.ptl, module.monitor, recorded="val_loss")
    with claimed(out, config, _deciding("snn", "ptl"), origin, first=is_first(config.train)):
        path = _fit(config, config.snn, module, data, out, [ptl], ptl.history_column)
        if not ptl.finished:
            path.unlink()
            raise ValueError(
                f"{len(ptl.records)} PTL stages done when snn.max_epochs = {config.snn.max_epochs} were over, "
                "all expected; raise snn.max_epochs and run stage 2 again: it goes on where it stopped"
            )
        write_stages(out / "stages.json", ptl.records)
    return path


def _deciding(*sections: str) -> Callable[[Config], dict[str, Any]]:
    """The part of a configuration that decides a training: model, data, seed, and the sections of its own."""
    return lambda config: {
        name: value for name, value in outcome_settings(config).items() if name in (*ALWAYS, *sections)
    }


def _data(config: Config, schedule: TrainConfig, data_dir: Path, begun_with: str = "") -> SeparationData:
    """The data; `begun_with` is the fingerprint of the weights that a training starts from, none for random ones."""
    return SeparationData(
        data_dir,
        config.data,
        config.model.sample_rate,
        schedule.batches_per_epoch,
        seed=config.seed + (1 + int(begun_with[:8], 16) if begun_with else 0),
        mixing=config.mixing,
        n_src=config.model.n_src,
    )


def _data_fingerprint(data: SeparationData) -> str:
    """A digest of what is trained on, wherever it lies: names, talkers and lengths."""
    return fingerprint(*(line for part in (data.train, data.dev) for line in part.contents()))


def _fit(
    config: Config,
    schedule: TrainConfig,
    module: SeparationModule,
    data: SeparationData,
    out: Path,
    callbacks: list[pl.Callback],
    stage: Column,
) -> Path:
    training = fit(
        module,
        data,
        out,
        callbacks,
        metrics=("train_loss", "val_loss"),
        columns=[stage],
        describe=lambda row: f"train {-row['train_loss']:.2f} dB, dev {-row['val_loss']:.2f} dB SI-SDR",
        max_epochs=schedule.max_epochs,
        clip_norm=schedule.clip_norm,
        precision=schedule.precision,
        processes=config.train,
    )
    facts = run_facts(config.seed).as_dict() | dataclasses.asdict(training)
    facts |= {
        "train_mixtures": len(data.train),
        "dev_talkers_heard": data.dev_talkers_heard,
        "train_hours_audio": round(data.train.hours, 3),
    }
    fold_residuals(module.network)
    write_json(out / "run.json", facts, durable=True)
    save_model(out / "model.pt", module.network.eval())
    logger.info("%s written", out / "model.pt")
    return out / "model.pt"

"""Train the ANN, and convert it with progressive tandem learning: one trainer for both."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, TQDMProgressBar

from spiking_tasnet.files import write_json
from spiking_tasnet.ptl import EpochCheckpoint, ProgressiveTandemLearning
from spiking_tasnet.separation.config import Config, TrainConfig, save_config
from spiking_tasnet.separation.data import SeparationData
from spiking_tasnet.separation.history import BestState, History, run_facts
from spiking_tasnet.separation.module import SeparationModule
from spiking_tasnet.separation.network import TasNet, load_model, save_model

logger = logging.getLogger(__name__)


def train_ann(config: Config, data_dir: Path, exp_dir: Path) -> Path:
    """Train the analog network; best epoch by development loss.

    Args:
        config: the experiment.
        data_dir: what stage 0 made.
        exp_dir: the result goes to `exp_dir/ann`; a run that was interrupted there goes on.

    Returns:
        The path of the model.
    """
    pl.seed_everything(config.seed, verbose=False)
    module = SeparationModule(TasNet(config.model), config.ann)
    stop = EarlyStopping("val_loss", patience=config.ann.stop_after, check_on_train_epoch_end=True)
    return _fit(config, config.ann, module, data_dir, exp_dir / "ann", [BestState(), stop])


def convert_ann(config: Config, data_dir: Path, exp_dir: Path) -> Path:
    """Convert `exp_dir/ann/model.pt` to spikes by progressive tandem learning.

    Returns:
        The path of the model, in `exp_dir/snn`, beside `stages.json`.

    Raises:
        FileNotFoundError: no ANN.
        ValueError: the ANN has other sizes than the configuration says; or the epochs did not suffice for all stages.
    """
    source = exp_dir / "ann" / "model.pt"
    if not source.exists():
        raise FileNotFoundError(f"{source}: no trained ANN; run stage 1 first")
    network = load_model(source)
    if network.config != config.model:
        raise ValueError(f"{source}: an ANN of other sizes found than the configuration says; run stage 1 again")
    pl.seed_everything(config.seed, verbose=False)
    ptl = ProgressiveTandemLearning(config.ptl)
    out = exp_dir / "snn"
    path = _fit(config, config.snn, SeparationModule(network, config.snn), data_dir, out, [ptl])
    if not ptl.finished:
        path.unlink()
        raise ValueError(
            f"{len(ptl.records)} PTL stages done when snn.max_epochs = {config.snn.max_epochs} were over, "
            "all expected; raise snn.max_epochs and run stage 2 again: it goes on where it stopped"
        )
    stages = [vars(record) | {"layer": record.layer.removeprefix("network.")} for record in ptl.records]
    write_json(out / "stages.json", stages)
    return path


def _fit(
    config: Config, schedule: TrainConfig, module: SeparationModule, data_dir: Path, out: Path, callbacks: list
) -> Path:
    data = SeparationData(data_dir, config.data, config.model.sample_rate, schedule.batches_per_epoch, seed=config.seed)
    out.mkdir(parents=True, exist_ok=True)
    save_config(config, out / "config.yaml")
    checkpoint, history = out / "last.ckpt", History(out / "history.csv")
    bar = sys.stderr.isatty()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
        trainer = pl.Trainer(
            max_epochs=schedule.max_epochs,
            gradient_clip_val=schedule.clip_norm,
            precision=_precision(schedule.precision),
            accelerator="auto",
            callbacks=[*callbacks, history, *([TQDMProgressBar()] if bar else []), EpochCheckpoint(checkpoint)],
            enable_progress_bar=bar,
            enable_checkpointing=False,
            enable_model_summary=False,
            logger=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        if checkpoint.exists():
            logger.info("going on from %s", checkpoint)
        resume = str(checkpoint) if checkpoint.exists() else None
        trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    facts = run_facts(config.seed) | {
        "hours": round(sum(row["seconds"] for row in history.rows) / 3600, 4),
        "parameters": sum(parameter.numel() for parameter in module.network.parameters()),
        "train_mixtures": len(data.train),
        "dev_talkers_heard": data.dev_talkers_heard,
        "train_hours_audio": round(sum(data.train.lengths) / config.model.sample_rate / 3600, 3),
        "epochs": len(history.rows),
    }
    write_json(out / "run.json", facts)
    save_model(out / "model.pt", module.network.eval())
    logger.info("%s written", out / "model.pt")
    return out / "model.pt"


def _precision(wanted: str) -> str:
    """Lightning's name of the precision; ``auto`` takes bfloat16 where it is computed natively, half the time there."""
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    abilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return "bf16-mixed" if abilities.get("avx512_bf16") or abilities.get("amx_bf16") else "32-true"

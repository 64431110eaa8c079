"""The LightningModule of the separation network, and its loss: permutation-invariant SI-SDR (Eq. 14)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
from asteroid.losses import PITLossWrapper, pairwise_neg_sisdr
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, ReduceLROnPlateau

from spiking_tasnet.ptl.activity import layer_activities
from spiking_tasnet.ptl.spike_penalty import spikes_per_neuron, trained_spikes
from spiking_tasnet.separation.config import TrainConfig
from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.training.muon import Muon


class SeparationModule(pl.LightningModule):
    """Train a `TasNet`; `train_loss` and `val_loss` are negative SI-SDR in dB.

    Args:
        network: analog, or already converted in part.
        config: schedule.
        teacher: the ANN whose masks are distilled, where `config.distil` is not 0; it is not part of the module.
    """

    def __init__(self, network: TasNet, config: TrainConfig, *, teacher: TasNet | None = None):
        super().__init__()
        self.network, self.config = network, config
        self._teacher = [teacher] if teacher else []  # in a list: its weights are no parameters of the module
        self.loss, self.capped_loss = pit_si_sdr(), pit_si_sdr(config.cap_db)

    def forward(self, mixture: Tensor) -> Tensor:
        """(batch, time) -> (batch, n_src, time), float32 whatever the precision of the training."""
        return self.network(mixture).float()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Loss of one batch."""
        mixture, sources = batch
        loss = self._training_loss(mixture, sources)
        self.log(
            "train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(mixture), sync_dist=True
        )
        return loss

    def _training_loss(self, mixture: Tensor, sources: Tensor) -> Tensor:
        with self._pricing() as price:
            masks, encoded = self.network.masks(mixture)
        est_sources = self.network.decode(masks, encoded, mixture.shape[-1])
        loss = self.capped_loss(est_sources.float(), sources) + price()
        if self._teacher:
            loss = loss + self.config.distil * self._mask_difference(mixture, masks, encoded)
        return loss

    @property
    def _is_priced(self) -> bool:
        return self.config.spike_penalty > 0 or self.config.activity_penalty > 0

    @contextmanager
    def _pricing(self) -> Iterator[Callable[[], Tensor | float]]:
        """What spikes and activity cost, dB, of the network that the block runs once."""
        config = self.config
        with (
            trained_spikes(self.network) if config.spike_penalty else nullcontext([]) as spikes,
            layer_activities(self.network) if config.activity_penalty else nullcontext([]) as activities,
        ):
            yield (
                lambda: (
                    (config.spike_penalty * spikes_per_neuron(spikes) if spikes else 0.0)
                    + (config.activity_penalty * torch.stack(activities).mean() if activities else 0.0)
                )
            )

    def _mask_difference(self, mixture: Tensor, masks: Tensor, encoded: Tensor) -> Tensor:
        """Mean squared difference to the teacher's masks, weighted by what the masks are applied to."""
        teacher = self._teacher[0].to(mixture.device)
        with torch.no_grad():
            expected, _ = teacher.masks(mixture)
            weight = encoded / encoded.mean().clamp(min=1e-8)
        return ((masks - expected).float().square().mean(1) * weight).mean()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log the loss of one batch."""
        mixture, sources = batch
        with self._pricing() as price:
            loss = self.loss(self(mixture), sources)
        self.log("val_loss", loss, prog_bar=True, batch_size=len(mixture), sync_dist=True)
        if self._is_priced:
            self.log("val_priced_loss", loss + price(), batch_size=len(mixture), sync_dist=True)

    @property
    def monitor(self) -> str:
        """The logged loss that chooses the best state: with the price on spikes or activity, where there is one."""
        return "val_priced_loss" if self._is_priced else "val_loss"

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam or Muon on what is not frozen, with the schedule of the configuration."""
        optimizer = self._optimizer()
        if self.config.schedule == "cosine":
            schedule = CosineAnnealingLR(optimizer, T_max=self.config.max_epochs)
        elif self.config.schedule == "hold":
            schedule = LambdaLR(optimizer, self._held_rate)
        else:
            # The patience of torch counts epochs that are tolerated; the rate falls after one more.
            schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=self.config.halve_after - 1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": self.monitor}}

    def _optimizer(self) -> torch.optim.Optimizer:
        config = self.config
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        if config.optimizer == "adam" and not config.adam_lr:
            return torch.optim.Adam(trained, lr=config.lr)
        if config.optimizer == "adam":
            filters = [parameter for parameter in trained if parameter.dim() > 1]
            rest = [parameter for parameter in trained if parameter.dim() <= 1]
            groups = [{"params": filters}, {"params": rest, "lr": config.adam_lr}]
            return torch.optim.Adam([group for group in groups if group["params"]], lr=config.lr)
        hidden = [*self.network.separator.parameters(), self.network.mask.weight]
        matrices = {id(parameter) for parameter in hidden if parameter.dim() > 1}
        return Muon(
            [parameter for parameter in trained if id(parameter) in matrices],
            [parameter for parameter in trained if id(parameter) not in matrices],
            lr=config.lr,
            adam_lr=config.adam_lr or config.lr,
        )

    def _held_rate(self, epoch: int) -> float:
        """Factor of the learning rate: a rise, a plateau, a fall."""
        config = self.config
        rise = (epoch + 1) / (config.warmup_epochs + 1)
        fall = (config.max_epochs - epoch) / config.tail_epochs if config.tail_epochs else 1.0
        return max(0.0, min(1.0, rise, fall))


class Float32Loss(PITLossWrapper):
    """A permutation-invariant loss in float32, also inside a bfloat16 training.

    Autocast would round the inner products and the loss to 8 bits: 0.03 dB at 6 dB, and far more in the gradient of a
    segment at 20 dB, whose error energy is a small difference of such products.
    """

    def forward(self, est_targets: Tensor, targets: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Asteroid's arguments and results."""
        with torch.autocast(est_targets.device.type, enabled=False):
            return super().forward(est_targets.float(), targets.float(), *args, **kwargs)


def pit_si_sdr(cap_db: float = 0.0) -> PITLossWrapper:
    """Negative SI-SDR in dB of zero-mean signals, of the best permutation, averaged over the batch.

    Args:
        cap_db: count an SI-SDR softly up to this, see `capped_neg_si_sdr`; 0 for no cap.

    Shape:
        (est_sources, sources), both (batch, n_src, time) -> scalar. With ``return_est=True`` also the estimates in
        the order of the sources.
    """
    if not cap_db:
        return Float32Loss(pairwise_neg_sisdr, pit_from="pw_mtx")
    return Float32Loss(lambda est, ref: capped_neg_si_sdr(est, ref, cap_db), pit_from="pw_mtx")


def capped_neg_si_sdr(est_sources: Tensor, sources: Tensor, cap_db: float) -> Tensor:
    """Pairwise negative SI-SDR with a soft threshold (Wisdom et al., 2020), dB.

    With the target t, the projection of the estimate on the source, and the error e, it is
    -10 log10(|t|^2 / (|e|^2 + tau |t|^2)), tau = 10^(-cap_db / 10): an estimate that is nearly perfect, as of a segment
    in which the other talker is silent, has a vanishing gradient instead of a dominant one.

    Shape:
        (batch, n_est, time), (batch, n_src, time) -> (batch, n_est, n_src).
    """
    est = (est_sources - est_sources.mean(-1, keepdim=True)).float()
    ref = (sources - sources.mean(-1, keepdim=True)).float()
    est_energy, ref_energy = est.square().sum(-1).unsqueeze(2), ref.square().sum(-1).unsqueeze(1)
    # Pairwise energies follow from inner products: |t|^2 = <est, ref>^2 / |ref|^2, |e|^2 = |est|^2 - |t|^2.
    target = torch.einsum("bit,bjt->bij", est, ref).square() / (ref_energy + 1e-8)
    error = (est_energy - target).clamp(min=0)
    floor = 1e-8 * est_energy + 1e-20  # -80 dB: a silent source, or estimate, gives a finite value without a gradient
    return -10 * torch.log10((target + floor) / (error + 10 ** (-cap_db / 10) * target + floor))

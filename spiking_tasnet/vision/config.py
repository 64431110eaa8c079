"""The settings of a vision experiment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from spiking_tasnet.processes import ProcessConfig
from spiking_tasnet.ptl.config import PTLConfig
from spiking_tasnet.snn.settings import MAX_STEPS

NETWORKS = ("mnist_cnn", "alexnet", "vgg11", "vgg13", "vgg16", "autoencoder")  # `networks.BUILDERS` builds them
# Upper limits far above any real training: a larger number is a typing error.
MOST_WIDTH = 8
MOST_IMAGES = 100_000  # per batch
MOST_WORKERS = 256
MOST_SHIFT = 1_000  # pixels


@dataclass(frozen=True)
class ModelConfig:
    """The network.

    Attributes:
        network: a name of `NETWORKS`.
        width: factor on the number of channels of every layer; 1 for the paper's network.
        dropout: probability, before the fully connected layers of a classifier, in training only.
    """

    network: str = "mnist_cnn"
    width: float = 1.0
    dropout: float = 0.0

    @property
    def reconstructs(self) -> bool:
        """Whether the network reconstructs images instead of classifying them."""
        return self.network == "autoencoder"

    def __post_init__(self) -> None:
        """Check the name and ranges."""
        if self.network not in NETWORKS:
            raise ValueError(f"model.network: {self.network!r} found, one of {', '.join(NETWORKS)} expected")
        if not 0 < self.width <= MOST_WIDTH or not 0 <= self.dropout < 1:
            raise ValueError(f"model: width above 0, at most {MOST_WIDTH}, and dropout in [0, 1) expected")


@dataclass(frozen=True)
class DataConfig:
    """Batches, split and augmentation.

    Attributes:
        batch_size: images per step.
        val_part: fraction of the training set that is kept for validation, the same images in all experiments; the
            paper splits 90:10.
        split_seed: seed of that split.
        limit_train: number of training images to use; 0 for all.
        limit_val: number of validation images to use; 0 for all.
        limit_test: number of test images to use; 0 for all.
        shift: move each training image at random by up to this many pixels each way; zeros fill the gap.
        flip: mirror each training image with probability 1/2.
        normalise: scale each channel to zero mean and unit variance over the training set; otherwise pixels are 0 to 1.
        num_workers: loader processes; 0 loads in the main process, which is enough where images are held in memory.
    """

    batch_size: int = 100
    val_part: float = 0.1
    split_seed: int = 0
    limit_train: int = 0
    limit_val: int = 0
    limit_test: int = 0
    shift: int = 0
    flip: bool = False
    normalise: bool = False
    num_workers: int = 0

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.batch_size < 2 or not 0 < self.val_part < 1:
            raise ValueError("data: batch_size >= 2 (batch norm needs two) and val_part in (0, 1) expected")
        if min(self.limit_train, self.limit_val, self.limit_test, self.shift, self.num_workers) < 0:
            raise ValueError("data: limits, shift and num_workers >= 0 expected")
        if self.batch_size > MOST_IMAGES or self.num_workers > MOST_WORKERS or self.shift > MOST_SHIFT:
            raise ValueError(
                f"data: batch_size {self.batch_size}, num_workers {self.num_workers} and shift {self.shift} found, "
                f"at most {MOST_IMAGES}, {MOST_WORKERS} and {MOST_SHIFT} expected"
            )
        if self.split_seed < 0:
            raise ValueError(f"data.split_seed: {self.split_seed} found, 0 or more expected")


@dataclass(frozen=True)
class TrainConfig:
    """Schedule of one training; epochs are counted over the whole run.

    Attributes:
        max_epochs: train for at most this many epochs.
        lr: Adam's learning rate.
        schedule: `step` divides the rate by ten at epoch `decay_at`; `cosine` lowers it to zero over `max_epochs`;
            `stage` lowers it to zero in each PTL stage, over `ptl.max_epochs_per_stage`.
        decay_at: epoch of the step, counted from 0.
        precision: Lightning's, or `auto`.
    """

    max_epochs: int = 100
    lr: float = 1e-3
    schedule: str = "step"
    decay_at: int = 50
    precision: str = "32-true"

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.schedule not in ("step", "cosine", "stage"):
            raise ValueError(f"schedule: {self.schedule!r} found, 'step', 'cosine' or 'stage' expected")
        if self.max_epochs < 1 or self.lr <= 0 or self.decay_at < 0:
            raise ValueError("max_epochs >= 1, lr > 0 and decay_at >= 0 expected")


@dataclass(frozen=True)
class BaselineConfig:
    """Settings of the baselines that PTL does not share; they take N_s, percentile and v_init from section `ptl`.

    Attributes:
        pretrained: end-to-end methods start from the trained ANN instead of from scratch.
        lif_decay: fraction of the membrane potential that the LIF neurons of method `lif` keep per step.
        rate_steps: N_s of rate coding; its literature uses up to 2,500.
        rate_percentile: percentile of the activations that normalises the weights, in %; Diehl et al. (2015) take 100,
            Rueckauer et al. (2017) 99.9.
        rate_images: number of test images for rate coding; 0 for all.
    """

    pretrained: bool = False
    lif_decay: float = 0.9
    rate_steps: int = 2500
    rate_percentile: float = 99.9
    rate_images: int = 1000

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 0 < self.lif_decay <= 1 or not 0 < self.rate_percentile <= 100:
            raise ValueError("baselines: lif_decay in (0, 1] and rate_percentile in (0, 100] expected")
        if not 1 <= self.rate_steps <= MAX_STEPS:
            raise ValueError(f"baselines.rate_steps: {self.rate_steps} found, 1 to {MAX_STEPS} expected")
        if self.rate_images < 0:
            raise ValueError("baselines: rate_images >= 0 expected")


@dataclass(frozen=True)
class Config:
    """One experiment. `RENAMED` lists old names of sections; `read_config` refuses them and gives the new name.

    Attributes:
        model: the network.
        data: batches, split, augmentation.
        ann: schedule of the ANN.
        snn: schedule of the training inside the conversion.
        end_to_end: schedule of tandem and surrogate learning.
        ptl: progressive tandem learning.
        baselines: the methods that PTL is compared with.
        train: on how many processes each training runs.
        seed: seed of initialisation, order and augmentation.
    """

    RENAMED: ClassVar = {"rivals": "baselines"}

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    ann: TrainConfig = field(default_factory=TrainConfig)
    snn: TrainConfig = field(default_factory=TrainConfig)
    end_to_end: TrainConfig = field(default_factory=TrainConfig)
    ptl: PTLConfig = field(default_factory=lambda: PTLConfig(num_steps=16, patience=6))
    baselines: BaselineConfig = field(default_factory=BaselineConfig)
    train: ProcessConfig = field(default_factory=ProcessConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the seed, and the schedules against section `ptl`."""
        if self.seed < 0:
            raise ValueError(f"seed: {self.seed} found, 0 or more expected")
        if "stage" in (self.ann.schedule, self.end_to_end.schedule):
            raise ValueError("schedule: 'stage' found outside snn; only the conversion has stages")
        if self.snn.schedule == "stage" and self.ptl.anneal:
            raise ValueError("snn.schedule: 'stage' and ptl.anneal found: both set the rate inside a stage; give one")
        if self.snn.schedule == "stage" and not self.ptl.max_epochs_per_stage:
            raise ValueError("snn.schedule: 'stage' found without ptl.max_epochs_per_stage: say how long a stage is")

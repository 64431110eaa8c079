"""The settings of a separation experiment."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from spiking_tasnet.processes import ProcessConfig
from spiking_tasnet.ptl.config import PTLConfig

MOST = {  # far above what anybody trains; more is a typing error
    "n_src": 8,
    "sample_rate": 192_000,
    "n_filters": 65_536,
    "kernel_size": 65_536,
    "stride": 65_536,
    "bn_chan": 65_536,
    "hid_chan": 65_536,
    "conv_kernel_size": 1_001,
    "n_blocks": 20,  # dilation 2**19
}
MOST_WEIGHTS = 10**9  # 4 GB, four times that in training; the paper's network has 9 million
MOST_WORKERS = 256
MOST_SEGMENTS = 10_000  # per batch
MOST_AUDIO = 24 * 3600.0  # seconds per batch


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the network (section 6.3.2.2 of the paper); the defaults are the paper's.

    Attributes:
        n_src: number of talkers.
        sample_rate: Hz.
        n_filters: N, encoder filters.
        kernel_size: L, samples per filter.
        stride: samples between frames, L / 2 in the paper.
        bn_chan: channels out of the 1x1 encoding convolution.
        hid_chan: channels of the dilated convolutions.
        conv_kernel_size: frames a dilated filter reads; odd, so that the length is kept, unless it is causal.
        n_blocks: dilated convolutions; block i has dilation 2**i.
        causal: dilated filters read no later frame, so that a stream is late by one encoder filter only; else they
            reach as far ahead as back.
    """

    n_src: int = 2
    sample_rate: int = 8000
    n_filters: int = 512
    kernel_size: int = 20
    stride: int = 10
    bn_chan: int = 512
    hid_chan: int = 512
    conv_kernel_size: int = 3
    n_blocks: int = 10
    causal: bool = False

    def __post_init__(self) -> None:
        """Check every size."""
        for item in dataclasses.fields(self):
            if item.name not in MOST:
                continue
            value, most = getattr(self, item.name), MOST[item.name]
            if not 1 <= value <= most:
                raise ValueError(f"model.{item.name}: {value} found, at least 1 expected, at most {most}")
        if self.conv_kernel_size % 2 == 0 and not self.causal:
            raise ValueError(
                f"model.conv_kernel_size: {self.conv_kernel_size} found, an odd number expected; "
                "only a causal network takes an even one"
            )
        if self.stride > self.kernel_size:
            raise ValueError(f"model.stride: {self.stride} found, at most kernel_size ({self.kernel_size}) expected")
        if self.n_weights > MOST_WEIGHTS:
            raise ValueError(f"model: sizes of {self.n_weights:,} weights found, at most {MOST_WEIGHTS:,} expected")

    @property
    def n_weights(self) -> int:
        """Weights of all convolutions, without biases."""
        coder = self.n_filters * (2 * self.kernel_size + self.bn_chan + self.n_src * self.hid_chan)
        return coder + self.conv_kernel_size * self.hid_chan * (self.bn_chan + (self.n_blocks - 1) * self.hid_chan)


@dataclass(frozen=True)
class DataConfig:
    """Segments and batches.

    Attributes:
        segment: length of a training segment, seconds.
        batch_size: segments per step.
        num_workers: loader processes; 0 loads in the main one.
        limit_train: use only the first this many training mixtures; 0 for all.
        limit_dev: the same for the development set.
        remix: in training, pair the sources of each batch anew: more mixtures from the same speech.
    """

    segment: float = 4.0
    batch_size: int = 8
    num_workers: int = 2
    limit_train: int = 0
    limit_dev: int = 0
    remix: bool = False

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.segment <= 0 or self.batch_size < 1 or min(self.num_workers, self.limit_train, self.limit_dev) < 0:
            raise ValueError("data: segment > 0, batch_size >= 1 and the others >= 0 expected")
        if self.num_workers > MOST_WORKERS:
            raise ValueError(f"data.num_workers: {self.num_workers} found, at most {MOST_WORKERS} expected")
        if self.batch_size > MOST_SEGMENTS or self.segment * self.batch_size > MOST_AUDIO:
            raise ValueError(
                f"data: batch_size {self.batch_size} and segment {self.segment:g} s found, at most {MOST_SEGMENTS} "
                f"segments and {MOST_AUDIO:g} s of audio a batch expected"
            )


@dataclass(frozen=True)
class MixingConfig:
    """How training mixtures are drawn from a cache of talkers (recipes/talkers); other data come mixed.

    Attributes:
        level_db: two talkers' active levels differ by up to this, dB.
        same_corpus: probability that all talkers of a mixture come from one corpus, so that the way they were recorded
            does not tell them apart; otherwise each comes from any.
        corpus: a corpus to hear more of than its size gives (a name of the cache's column `corpus`); empty for none.
        corpus_share: probability that the first talker of a mixture is taken from `corpus`; otherwise from all.
        slower: speed falls by up to this fraction.
        faster: speed rises by up to this fraction.
        pause: longest pause between two utterances of one talker, seconds.
        fill: probability that what an utterance leaves of a segment is filled with another of the same talker.
        noise_probability: of noise in a mixture, where there is noise.
        noise_snr_low: talkers' level over the noise, dB, at least.
        noise_snr_high: at most.
    """

    level_db: float = 5.0
    same_corpus: float = 0.0
    corpus: str = ""
    corpus_share: float = 0.0
    slower: float = 0.08
    faster: float = 0.08
    pause: float = 0.8
    fill: float = 0.8
    noise_probability: float = 0.5
    noise_snr_low: float = 5.0
    noise_snr_high: float = 25.0

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.level_db < 0 or self.pause < 0 or not 0 <= self.slower <= 0.5 or not 0 <= self.faster <= 1:
            raise ValueError("mixing: level_db and pause >= 0, slower in [0, 0.5] and faster in [0, 1] expected")
        if not all(0 <= p <= 1 for p in (self.same_corpus, self.corpus_share, self.fill, self.noise_probability)):
            raise ValueError("mixing: same_corpus, corpus_share, fill and noise_probability in [0, 1] expected")
        if bool(self.corpus) != (self.corpus_share > 0):
            raise ValueError(
                f"mixing: corpus {self.corpus!r} with corpus_share {self.corpus_share} found; give both or none"
            )
        if self.noise_snr_low > self.noise_snr_high:
            raise ValueError("mixing: noise_snr_low at most noise_snr_high expected")


@dataclass(frozen=True)
class TrainConfig:
    """Schedule of one training, of the ANN or of the conversion (section 6.3.2.2).

    Attributes:
        max_epochs: end at the latest after this many.
        lr: learning rate; in the conversion each stage starts with it.
        optimizer: ``adam``, or ``muon`` for the separator's convolutions and Adam for the rest.
        adam_lr: learning rate of that rest; with ``adam`` that of biases and thresholds. 0 for `lr`.
        halve_after: halve the learning rate after this many dev epochs without gain.
        stop_after: stop after this many dev epochs without gain (the conversion ends by its stages instead).
        schedule: ``plateau`` halves as above; ``cosine`` falls from `lr` to zero over `max_epochs`, for short runs;
            ``hold`` rises to `lr` over `warmup_epochs` and stays there, for a run whose end is not known, to be read
            through `average`; over the last `tail_epochs` it falls to zero.
        warmup_epochs: of ``hold``.
        tail_epochs: of ``hold``; 0 for none.
        clip_norm: gradient norm limit.
        batches_per_epoch: train on this many batches an epoch, chosen anew each time; 0 for all.
        precision: Lightning's, e.g. ``32-true`` or ``bf16-mixed``; ``auto`` is the latter where the processor has it.
        cap_db: a segment's SI-SDR counts softly up to this many dB, so that the easiest ones do not dominate the
            gradient; 0 for no cap.
        average: factor per step of a moving average of the weights, which is then what is validated and kept; 0 for
            none.
        distil: weight of the squared difference between the masks and those of the ANN that is converted; the
            conversion only.
        spike_penalty: dB of loss per spike per neuron, mean of the layer that is being trained, in the choice of the
            best epoch as well; the conversion only.
        activity_penalty: dB of loss per unit of activity, mean of the layers that will spike, in the choice of the
            best epoch as well; the ANN only. A layer's activity is the mean of its activations over their root mean
            square: 0 where it is silent, 1 where all neurons are equally active. A threshold follows from the
            activations' upper end, so less activity means fewer spikes after conversion.
        residual: train dilated layers as ReLU(BN(conv(x)) + x), folded into the plain convolution at the end; the ANN
            only.
    """

    max_epochs: int = 100
    lr: float = 1e-3
    halve_after: int = 3
    stop_after: int = 10
    schedule: str = "plateau"
    clip_norm: float = 5.0
    batches_per_epoch: int = 0
    precision: str = "32-true"
    warmup_epochs: int = 1
    tail_epochs: int = 0
    cap_db: float = 0.0
    average: float = 0.0
    distil: float = 0.0
    spike_penalty: float = 0.0
    activity_penalty: float = 0.0
    residual: bool = False
    optimizer: str = "adam"
    adam_lr: float = 0.0

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.schedule not in ("plateau", "cosine", "hold"):
            raise ValueError(f"schedule: {self.schedule!r} found, 'plateau', 'cosine' or 'hold' expected")
        if self.optimizer not in ("adam", "muon") or self.adam_lr < 0:
            raise ValueError(f"optimizer: {self.optimizer!r} found, 'adam' or 'muon' expected, and adam_lr >= 0")
        if self.warmup_epochs < 0 or self.tail_epochs < 0:
            raise ValueError("warmup_epochs and tail_epochs >= 0 expected")
        if min(self.distil, self.spike_penalty, self.activity_penalty) < 0:
            raise ValueError("distil, spike_penalty and activity_penalty >= 0 expected")
        if self.cap_db < 0 or not 0 <= self.average < 1:
            raise ValueError("cap_db >= 0 and 0 <= average < 1 expected")
        if self.max_epochs < 1 or self.lr <= 0 or self.halve_after < 1 or self.stop_after < 1 or self.clip_norm <= 0:
            raise ValueError("max_epochs, halve_after and stop_after >= 1, lr and clip_norm > 0 expected")
        if self.batches_per_epoch < 0:
            raise ValueError(f"batches_per_epoch: {self.batches_per_epoch} found, 0 (all) or more expected")


@dataclass(frozen=True)
class Config:
    """One experiment.

    Attributes:
        model: sizes of the network.
        data: segments and batches.
        mixing: how mixtures are drawn, where training mixes on the fly.
        ann: schedule of the ANN's training.
        snn: schedule of the training inside the conversion.
        ptl: progressive tandem learning.
        train: on how many processes each training runs.
        seed: of initialisation, segments and order.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    mixing: MixingConfig = field(default_factory=MixingConfig)
    ann: TrainConfig = field(default_factory=TrainConfig)
    snn: TrainConfig = field(default_factory=TrainConfig)
    ptl: PTLConfig = field(default_factory=PTLConfig)
    train: ProcessConfig = field(default_factory=ProcessConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the seed, and what sections say together."""
        if self.seed < 0:
            raise ValueError(f"seed: {self.seed} found, 0 or more expected")
        samples, shortest = round(self.data.segment * self.model.sample_rate), self.model.kernel_size
        if samples < shortest:
            raise ValueError(f"data.segment: {samples} samples found, at least model.kernel_size ({shortest}) expected")

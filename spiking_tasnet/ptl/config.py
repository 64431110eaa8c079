"""Settings of progressive tandem learning."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from spiking_tasnet.snn.settings import MAX_STEPS, Constraints, ConversionSettings, Encoding, Firing, Method


@dataclass(frozen=True)
class PTLConfig:
    """Algorithm 1's settings; the defaults are the paper's for speech separation.

    Attributes:
        num_steps: N_s, simulation steps.
        patience: T_p, epochs without gain on validation before the next stage.
        percentile: of a layer's activations that sets its threshold, in %; 99 or 99.9 in the paper.
        channel_wise: one threshold per channel instead of one per layer.
        v_init: V[0] as a fraction of the threshold; 0 in the paper, 0.5 rounds instead of flooring.
        encoding: how the first layer fires: ``burst``, in consecutive steps from the first, as in the paper; or
            ``spread`` over the window, so that later layers count more exactly.
        firing: when a neuron fires: ``immediate``, in the step in which its threshold is reached, as in the paper; or
            ``phased``, after a window in which it only integrates, so that its count is exact. Few steps need it; every
            layer is then a window later than the one before.
        threshold_batches: random training batches that the percentile is taken over.
        max_epochs_per_stage: end a stage after this many epochs even within its patience; 0 for no limit.
        clip_saturated_gradient: pass no tandem gradient where a count is saturated at N_s.
        weight_bits: bits of weights and biases shared with spiking neurons, 2 to 8; 0 for full precision.
        per_channel: one scale of the quantised weights per output channel instead of one per layer.
        fan_in: most inputs per neuron; 0 for all.
        anneal: the learning rate falls linearly towards zero within each stage, over `max_epochs_per_stage`, or
            `joint_epochs`, instead of by the module's own schedule. A stage that ends by its patience ends before the
            fall is over: give both the same number of epochs.
        joint_epochs: after the last stage, train all converted layers together for this many epochs, 0 for none, as in
            the paper. It ends by no patience.
        joint_lr: learning rate of that joint stage; 0 for that of the other stages.
        train_thresholds: in the joint stage, train the thresholds of the channels too, as a learned step size (Esser et
            al., 2020), instead of leaving them as they are. One step changes each by a hundredth at most.
        cache_mib: MiB of memory for what frozen layers fire, so that an item met again in a stage is not simulated
            again; 0 for none. It pays where items come back: data without augmentation, and every validation.
    """

    num_steps: int = 32
    patience: int = 3
    percentile: float = 99.9
    channel_wise: bool = False
    v_init: float = 0.0
    encoding: Encoding = "burst"
    firing: Firing = "immediate"
    threshold_batches: int = 4
    max_epochs_per_stage: int = 0
    clip_saturated_gradient: bool = False
    weight_bits: int = 0
    per_channel: bool = False
    fan_in: int = 0
    anneal: bool = False
    joint_epochs: int = 0
    joint_lr: float = 0.0
    train_thresholds: bool = False
    cache_mib: int = 0

    RENAMED: ClassVar = {"gate": "clip_saturated_gradient", "spread": "encoding: burst | spread"}

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.num_steps < 1 or self.patience < 1 or self.threshold_batches < 1 or self.max_epochs_per_stage < 0:
            raise ValueError("ptl: num_steps, patience and threshold_batches >= 1, max_epochs_per_stage >= 0 expected")
        if not 0 < self.percentile <= 100 or not 0 <= self.v_init < 1:
            raise ValueError("ptl: percentile in (0, 100] and v_init in [0, 1) expected")
        if self.num_steps > MAX_STEPS:
            raise ValueError(f"ptl.num_steps: {self.num_steps} found, at most {MAX_STEPS} expected")
        if self.cache_mib < 0 or self.joint_epochs < 0 or self.joint_lr < 0:
            raise ValueError("ptl: cache_mib, joint_epochs and joint_lr of 0 (none) or more expected")
        if self.anneal and not self.max_epochs_per_stage:
            raise ValueError("ptl.anneal: stages of a known length expected; set ptl.max_epochs_per_stage")
        if self.train_thresholds and not (self.channel_wise and self.joint_epochs):
            raise ValueError(
                "ptl.train_thresholds: one threshold per channel and a joint stage expected; set ptl.channel_wise and "
                "ptl.joint_epochs"
            )
        Constraints(self.weight_bits, self.per_channel, self.fan_in)

    def settings(self, method: Method = "tandem", **changes: Any) -> ConversionSettings:
        """The part of it that says how a layer spikes; `changes` are fields of `ConversionSettings`.

        Only tandem neurons are phased: the other methods, which PTL is compared with, fire at once.
        """
        settings = ConversionSettings(
            method=method,
            num_steps=self.num_steps,
            percentile=self.percentile,
            channel_wise=self.channel_wise,
            v_init=self.v_init,
            encoding=self.encoding,
            firing=self.firing if method == "tandem" else "immediate",
            constraints=Constraints(self.weight_bits, self.per_channel, self.fan_in),
        )
        return dataclasses.replace(settings, **changes)

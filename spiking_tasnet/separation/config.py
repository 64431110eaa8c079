"""Typed configuration: YAML, then `--set section.key=value`; an unknown key or a wrong type is an error."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from spiking_tasnet.files import write_text
from spiking_tasnet.ptl.config import PTLConfig


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the network (DESIGN section 5); the defaults are the paper's.

    Attributes:
        n_src: number of talkers.
        sample_rate: Hz.
        n_filters: N, encoder filters.
        kernel_size: L, samples a filter.
        stride: samples between frames, L / 2 in the paper.
        bn_chan: channels out of the 1x1 encoding convolution.
        hid_chan: channels of the dilated convolutions.
        conv_kernel_size: frames a dilated filter reads; odd, so that the length is kept.
        n_blocks: dilated convolutions; block i has dilation 2**i.
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

    def __post_init__(self) -> None:
        """Check every size."""
        for item in dataclasses.fields(self):
            if getattr(self, item.name) < 1:
                raise ValueError(f"model.{item.name}: {getattr(self, item.name)} found, at least 1 expected")
        if self.conv_kernel_size % 2 == 0:
            raise ValueError(f"model.conv_kernel_size: {self.conv_kernel_size} found, an odd number expected")
        if self.stride > self.kernel_size:
            raise ValueError(f"model.stride: {self.stride} found, at most kernel_size ({self.kernel_size}) expected")


@dataclass(frozen=True)
class DataConfig:
    """Segments and batches.

    Attributes:
        segment: length of a training segment, seconds.
        batch_size: segments a step.
        num_workers: loader processes; 0 loads in the main one.
        limit_train: use only the first this many training mixtures; 0 for all.
        limit_dev: the same for the development set.
        remix: pair the sources of each batch anew (training only): more mixtures from the same speech.
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


@dataclass(frozen=True)
class TrainConfig:
    """Schedule of one training, of the ANN or of the conversion (section 6.3.2.2).

    Attributes:
        max_epochs: end at the latest after this many.
        lr: Adam's learning rate; in the conversion each stage starts with it.
        halve_after: halve the learning rate after this many dev epochs without gain.
        stop_after: stop after this many dev epochs without gain (the conversion ends by its stages instead).
        schedule: ``plateau`` halves as above; ``cosine`` falls from `lr` to zero over `max_epochs`, for short runs.
        clip_norm: gradient norm limit.
        batches_per_epoch: train on this many batches an epoch, chosen anew each time; 0 for all.
        precision: Lightning's, e.g. ``32-true`` or ``bf16-mixed``; ``auto`` is the latter where the processor has it.
    """

    max_epochs: int = 100
    lr: float = 1e-3
    halve_after: int = 3
    stop_after: int = 10
    schedule: str = "plateau"
    clip_norm: float = 5.0
    batches_per_epoch: int = 0
    precision: str = "32-true"

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.schedule not in ("plateau", "cosine"):
            raise ValueError(f"schedule: {self.schedule!r} found, 'plateau' or 'cosine' expected")
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
        ann: schedule of the ANN's training.
        snn: schedule of the training inside the conversion.
        ptl: progressive tandem learning.
        seed: of initialisation, segments and order.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    ann: TrainConfig = field(default_factory=TrainConfig)
    snn: TrainConfig = field(default_factory=TrainConfig)
    ptl: PTLConfig = field(default_factory=PTLConfig)
    seed: int = 0


def load_config(path: str | Path | None, overrides: list[str] = ()) -> Config:
    """Read an experiment from YAML, then apply `section.key=value` overrides.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not YAML, an unknown key, a wrong type or a value out of range; the message names the key.
    """
    data: Any = {}
    if path is not None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file; --config names the YAML of an experiment")
        try:
            data = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: not a YAML file ({error})") from None
        if not isinstance(data, dict):
            raise ValueError(f"{path}: {type(data).__name__} found, a mapping of settings expected")
    for override in overrides:
        key, found, value = override.partition("=")
        *sections, last = key.split(".")
        target = data
        try:
            for section in sections:
                target = target.setdefault(section, {})
            target[last] = yaml.safe_load(value)
        except (yaml.YAMLError, AttributeError, TypeError):
            found = ""
        if not found:
            raise ValueError(f"--set {override}: KEY=VALUE expected, e.g. --set ann.lr=0.001")
    return build(Config, data, str(path or "configuration"))


def build(kind: type, data: Any, where: str) -> Any:
    """Build the dataclass `kind` from plain data, checking keys and types.

    Raises:
        ValueError: naming `where` and the key.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{where}: {type(data).__name__} found, a mapping of settings expected")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r} found, one of {', '.join(hints)} expected")
    return kind(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in data.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return build(kind, value, where)
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        kind = next(option for option in typing.get_args(kind) if option is not type(None))
    if kind is float and isinstance(value, str):  # YAML 1.1 reads 1e-3 as text
        try:
            value = float(value)
        except ValueError:
            pass
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{where}: {value!r} found, {kind.__name__} expected")
    return value


def save_config(config: Config, path: str | Path) -> None:
    """Write the resolved configuration as YAML."""
    write_text(path, yaml.safe_dump(dataclasses.asdict(config), sort_keys=False))

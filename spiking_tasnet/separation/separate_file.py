"""Separate one recording into files, and report on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spiking_tasnet.files import printable
from spiking_tasnet.separation.audio.recording import Recording
from spiking_tasnet.separation.separator import Separator
from spiking_tasnet.separation.source_files import SourceFiles
from spiking_tasnet.snn.energy import spikes_per_neuron, total_cost


@dataclass
class FileReport:
    """The outcome for one recording.

    Attributes:
        file: its path.
        outputs: files written, one per talker; none if it failed.
        error: why it failed, in one line.
        seconds: of audio.
        sample_rate: Hz, of input and outputs.
        real_time_factor: seconds spent per second of audio, reading and writing included.
        channel: used, ``mean`` or a number from 1.
        spikes_per_neuron: in a window of N_s steps, mean over the spiking layers; None for the analog network, or
            if not counted.
        synops_per_second: synaptic operations per second of audio, likewise.
        links: where talkers were joined across a pause; see `Link`.
        warnings: sentences.
    """

    file: str
    outputs: list[str] = field(default_factory=list)
    error: str | None = None
    seconds: float | None = None
    sample_rate: int | None = None
    real_time_factor: float | None = None
    channel: str | None = None
    spikes_per_neuron: float | None = None
    synops_per_second: float | None = None
    links: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def separate_file(
    separator: Separator,
    recording: Recording,
    targets: list[Path],
    count_cost: bool = False,
    progress: Callable[[float], None] = lambda seconds: None,
) -> FileReport:
    """Separate a recording block by block; write each talker to a file as long as it and at its rate.

    Args:
        separator: the network.
        recording: what to separate.
        targets: one file per talker. 24 bits where the recording is `fine`, 16 otherwise.
        count_cost: count spikes and operations, of one window, which takes a third longer.
        progress: called with the seconds of audio taken in since the last call.

    Raises:
        OSError: reading or writing failed.
        ValueError: the recording cannot be separated.
    """
    began, rate = time.monotonic(), recording.rate
    report = FileReport(str(recording.path), channel=str(recording.channel), sample_rate=rate)
    report.warnings += recording.warnings
    stream = separator.stream(rate, count_cost)
    with SourceFiles(targets, rate, "PCM_24" if recording.fine else "PCM_16") as files:
        for block in recording.blocks(rate):
            files.push(stream.push(block))
            progress(len(block) / rate)
        files.push(stream.finish())
        silent = files.finish()
        report.seconds = seconds = files.n_samples / rate
    if silent and not recording.silent:
        names = " and ".join(printable(path.name) for path in silent)
        report.warnings.append(f"the recording is not silent, but {names} is; does the model fit?")
    report.outputs = [str(target) for target in targets]
    report.links = [link.as_dict() for link in stream.links]
    report.real_time_factor = round((time.monotonic() - began) / seconds, 4)
    costs, counted = stream.costs
    spikes = spikes_per_neuron(costs.values())
    if spikes is not None:
        report.spikes_per_neuron = round(spikes, 4)
        report.synops_per_second = round(total_cost(costs, counted)["total"]["synops"])
    return report

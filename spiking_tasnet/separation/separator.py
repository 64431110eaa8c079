"""Separate recordings of any sample rate and length with a trained network."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from spiking_tasnet.models import NETWORKS, network_path
from spiking_tasnet.runtime.stn import pack_separator
from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.separation.packed import load_network
from spiking_tasnet.separation.streaming.fifo import joined
from spiking_tasnet.separation.streaming.resampling import RATES
from spiking_tasnet.separation.streaming.stream import SeparationStream, check_samples
from spiking_tasnet.snn import keep_synapses

SYSTEMS = {False: "snn", True: "ann"}
BACKENDS = ("torch", "c")
SEGMENTS = (0.1, 600.0)  # seconds, fewest and most


class Separator:
    """A network ready for use.

    Args:
        network: analog or spiking.
        segment: seconds that one run of the network gives. It costs memory and changes nothing in the result.
        backend: ``torch``, or ``c`` for the runtime in C, which runs a spiking network frame by frame, on one
            thread and without windows.

    Raises:
        OSError: the runtime in C cannot be built here.
        ValueError: `segment` is no sensible number, or a network that the runtime in C cannot run.

    Examples:
        >>> from spiking_tasnet.separation.config import ModelConfig
        >>> separator = Separator(TasNet(ModelConfig(n_filters=16, bn_chan=8, hid_chan=8, n_blocks=2)))
        >>> separator.separate(np.zeros(44100), 44100).shape
        (2, 44100)
    """

    def __init__(self, network: TasNet, segment: float = 16.0, backend: str = "torch"):
        self.network, self.sample_rate = network.eval(), network.config.sample_rate
        keep_synapses(self.network)  # which is used here and not trained
        check_segment(segment)
        if backend not in BACKENDS:
            raise ValueError(f"backend {backend!r} found, one of {', '.join(BACKENDS)} expected")
        self._model = pack_separator(network) if backend == "c" else None
        self.segment = round(segment * self.sample_rate)

    @classmethod
    def load(
        cls, path: str | Path | None = None, ann: bool = False, segment: float = 16.0, backend: str = "torch"
    ) -> Separator:
        """Load an experiment folder, its `snn` or `ann` folder, a model file, or a network that is shipped.

        Args:
            path: exp/NAME, exp/NAME/snn, a model.pt, a packed file, or the name of a shipped network, ``talkers`` or
                ``live``, where no file has that name; None for `default_model`.
            ann: take the analog network; the spiking one otherwise.
            segment: as the class.
            backend: as the class.

        Raises:
            FileNotFoundError, ValueError: no model there, or of the other kind.
        """
        path = network_path(path) if path is not None else default_model(ann)
        if path.is_dir():
            path = path / "model.pt" if (path / "model.pt").exists() else path / SYSTEMS[ann] / "model.pt"
        network = load_network(path, ann)
        if network.is_spiking == ann:
            found, wanted = ("a spiking", "the analog") if ann else ("an analog", "the spiking")
            advice = "leave --ann out" if ann else "add --ann, or convert it (stage 2)"
            raise ValueError(f"{path}: {found} network found, {wanted} one expected; {advice}")
        return cls(network, segment, backend)

    def stream(self, rate: int, count_cost: bool = False) -> SeparationStream:
        """Begin a recording that comes in blocks.

        Args:
            rate: its sample rate, Hz.
            count_cost: count operations and spikes of one window; not of the backend ``c``.

        Returns:
            What takes blocks with `push(samples)` and gives the rest with `finish()`.

        Raises:
            ValueError: `rate` is out of range.

        Examples:
            >>> from spiking_tasnet.separation.config import ModelConfig
            >>> separator = Separator(TasNet(ModelConfig(n_filters=16, bn_chan=8, hid_chan=8, n_blocks=2)))
            >>> stream = separator.stream(8000)
            >>> found = [stream.push(np.zeros(300)) for _ in range(10)] + [stream.finish()]
            >>> sum(block.shape[1] for block in found)
            3000
        """
        if not RATES[0] <= rate <= RATES[1] or rate != int(rate):
            raise ValueError(f"a rate of {rate} Hz found, {RATES[0]} to {RATES[1]} Hz expected; is the header right?")
        return SeparationStream(self.network, int(rate), self.segment, count_cost, self._model)

    def separate(self, samples: np.ndarray, rate: int) -> np.ndarray:
        """Separate one recording: `stream`, given all at once, and scaled down if it would exceed full scale.

        The sources are at the level of the mixture, without its offset and what lies below some 20 Hz. Where a sample
        would exceed 1, one gain for all sources keeps the largest at 1.

        Args:
            samples: the mixture (n_samples,), floats of full scale 1. Of several channels pick one, or average them.
            rate: its sample rate, Hz.

        Returns:
            (n_src, n_samples) at `rate`, float32. What lies above half the network's own rate is not there.

        Raises:
            ValueError: no samples, not one channel, integers, not finite, or a rate out of range.
        """
        if not len(check_samples(samples)):
            raise ValueError("no samples found, a mixture (n_samples,) expected")
        stream = self.stream(rate)
        est_sources = joined([stream.push(samples), stream.finish()], stream.n_src)
        return est_sources / np.float32(max(1.0, float(np.abs(est_sources).max())))


def check_segment(segment: float) -> None:
    """Refuse seconds that are not a number of `SEGMENTS`.

    Raises:
        ValueError: one line.
    """
    if not (math.isfinite(segment) and SEGMENTS[0] <= segment <= SEGMENTS[1]):
        raise ValueError(f"--segment {segment:g} found, {SEGMENTS[0]:g} to {SEGMENTS[1]:g} seconds expected")


def default_model(ann: bool = False) -> Path:
    """The shipped network `talkers`; where it is not there, the newest one.

    Raises:
        FileNotFoundError: as `newest_model`.
    """
    shipped = NETWORKS["talkers"]
    return shipped if shipped.is_file() else newest_model(ann)


def newest_model(ann: bool = False, folders: list[Path] | None = None) -> Path:
    """The model written last in exp/*, egs/*/exp/* or recipes/*/exp/* of this folder or of the checkout.

    Raises:
        FileNotFoundError: there is none; the message says how to make one.
    """
    folders = folders or [Path.cwd(), Path(__file__).resolve().parents[2]]
    places = [pattern + f"exp/*/{SYSTEMS[ann]}/model.pt" for pattern in ("", "egs/*/", "recipes/*/")]
    found = [path for folder in folders for place in places for path in folder.glob(place)]
    if not found:
        raise FileNotFoundError(
            f"no trained {SYSTEMS[ann]} found in exp, egs/*/exp or recipes/*/exp; make one with "
            "egs/mini-2mix/run.sh --stage 0, or name one with --model"
        )
    return max(found, key=lambda path: path.stat().st_mtime)

"""Separate recordings of any sample rate and length with a trained network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from asteroid.dsp.overlap_add import LambdaOverlapAdd
from scipy.optimize import nnls
from torchaudio.functional import resample

from spiking_tasnet.separation.network import TasNet, load_model

SYSTEMS = {False: "snn", True: "ann"}


class Separator:
    """A network ready for use.

    Args:
        network: analog or spiking.
        segment: seconds. Longer recordings are cut into segments that overlap by half, each talker is followed
            from one to the next by the correlation in the overlap, and the segments are cross-faded.

    Raises:
        ValueError: the segment is shorter than the network's filters.
    """

    def __init__(self, network: TasNet, segment: float = 16.0):
        """See the class."""
        self.network, self.sample_rate = network.eval(), network.config.sample_rate
        self.window = 2 * round(segment * self.sample_rate / 2)
        if self.window < 2 * network.config.kernel_size:
            raise ValueError(f"--segment {segment} found, at least {2 * network.config.kernel_size} samples expected")

    @classmethod
    def load(cls, path: str | Path, ann: bool = False, segment: float = 16.0) -> Separator:
        """Load an experiment folder, its `snn` or `ann` folder, or a model file.

        Args:
            path: exp/<name>, exp/<name>/snn or a model.pt.
            ann: take the analog network; the spiking one otherwise.
            segment: as the class.

        Raises:
            FileNotFoundError, ValueError: no model there, or of the other kind.
        """
        path = Path(path)
        if path.is_dir():
            path = path / "model.pt" if (path / "model.pt").exists() else path / SYSTEMS[ann] / "model.pt"
        network = load_model(path)
        if network.is_spiking == ann:
            found, wanted = ("a spiking", "the analog") if ann else ("an analog", "the spiking")
            advice = "leave --ann out" if ann else "add --ann, or convert it (stage 2)"
            raise ValueError(f"{path}: {found} network found, {wanted} one expected; {advice}")
        return cls(network, segment)

    def separate(
        self, samples: np.ndarray, rate: int, progress: Callable[[float], None] = lambda seconds: None
    ) -> np.ndarray:
        """Separate one recording.

        The network gives sources at no particular level. In each segment they are given the non-negative gains with
        which their sum is nearest to the mixture; at the end one gain for all keeps the largest sample within 1.

        Args:
            samples: the mixture (n_samples,), full scale 1.
            rate: its sample rate, Hz.
            progress: called with the seconds of audio done, every segment.

        Returns:
            (n_src, n_samples) at `rate`, float32. What lies above half the network's own rate is not there.

        Raises:
            ValueError: no samples, or not finite.
        """
        if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
            raise ValueError(f"samples of shape {samples.shape} found, a finite mixture (n_samples,) expected")
        mixture = resample(torch.from_numpy(np.ascontiguousarray(samples, np.float32)), rate, self.sample_rate)
        time, shortest = len(mixture), self.network.config.kernel_size
        mixture = torch.nn.functional.pad(mixture, (0, max(0, shortest - time)))
        long = len(mixture) > self.window
        apply = partial(self._segment, done=partial(progress, (self.window / 2 if long else time) / self.sample_rate))
        with torch.no_grad():
            if long:
                overlap_add = LambdaOverlapAdd(apply, self.network.config.n_src, self.window)
                est_sources = overlap_add.ola_forward(mixture[None, None])[0]
            else:
                est_sources = apply(mixture[None])[0]
        est_sources = resample(est_sources[:, :time], self.sample_rate, rate)[:, : len(samples)].numpy()
        return est_sources / max(1.0, float(np.abs(est_sources).max()))

    def _segment(self, mixture: torch.Tensor, done: Callable[[], None]) -> torch.Tensor:
        """(1, time) -> (1, n_src, time), at the mixture's level."""
        est_sources = self.network(mixture)
        done()
        gains = fitting_gains(est_sources[0].numpy(), mixture[0].numpy())
        return est_sources * torch.from_numpy(gains)[:, None]


def fitting_gains(est_sources: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """Non-negative gains (n_src,), float32, with which the sum of the sources (n_src, time) is nearest to the mixture.

    A silent source, and every source of a silent mixture, gets 0.
    """
    gains = np.zeros(len(est_sources), np.float32)
    heard = np.flatnonzero(np.abs(est_sources).max(axis=1) > 0)
    if len(heard) and mixture.any():
        # Normal equations: as many unknowns as talkers, however long the mixture.
        scale = np.linalg.norm(est_sources[heard].astype(np.float64), axis=1)
        unit = est_sources[heard].astype(np.float64) / scale[:, None]
        root = np.linalg.cholesky(unit @ unit.T + 1e-9 * np.eye(len(heard)))
        gains[heard] = nnls(root.T, np.linalg.solve(root, unit @ mixture.astype(np.float64)))[0] / scale
    return gains


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

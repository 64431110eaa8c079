"""The test set, read once at the end: accuracy or squared error of every method, operations and energy."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spiking_tasnet.config import read_config
from spiking_tasnet.files import read_json, write_json
from spiking_tasnet.progress import track
from spiking_tasnet.ptl import simulate_rate
from spiking_tasnet.snn import convertible_layers, record_cost
from spiking_tasnet.snn.energy import total_cost
from spiking_tasnet.training import loader_faults
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.data import Batch, VisionData
from spiking_tasnet.vision.methods import METHODS
from spiking_tasnet.vision.networks import load_model

logger = logging.getLogger(__name__)
TOP = 5
SCORES = ("top1", "top5", "mse")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Scores:
    """Sums of the scores over batches: squared error of a reconstruction, top-1 and top-5 hits of a classifier."""

    def __init__(self, reconstruct: bool):
        """Start at zero."""
        self.reconstruct, self.items = reconstruct, 0
        self.sums = {"mse": 0.0} if reconstruct else {"top1": 0.0, "top5": 0.0}

    def update(self, output: Tensor, images: Tensor, labels: Tensor) -> None:
        """Add a batch."""
        self.items += len(images)
        if self.reconstruct:
            self.sums["mse"] += F.mse_loss(output, images).item() * len(images)
            return
        ranked = output.topk(min(TOP, output.shape[1]), dim=1).indices == labels[:, None]
        self.sums["top1"] += ranked[:, 0].sum().item()
        self.sums["top5"] += ranked.any(1).sum().item()

    def means(self) -> dict[str, float]:
        """Mean squared error, or the fraction of images whose class is the first, or among the first five (0 to 1)."""
        return {name: value / self.items for name, value in self.sums.items()}


def evaluate_network(network: nn.Module, batches: Iterable[Batch], reconstruct: bool) -> dict[str, Any]:
    """Score a network that is not rate-coded, and count its operations.

    Returns:
        Scores, `images`, and `cost` per image (see `total_cost`).
    """
    scores = Scores(reconstruct)
    with torch.no_grad(), record_cost(network.eval()) as costs:
        for images, labels in batches:
            scores.update(network(images), images, labels)
    return scores.means() | {"images": scores.items, "cost": total_cost(costs, scores.items)}


def evaluate_rate_coded(
    network: nn.Module, batches: Iterable[Batch], reconstruct: bool, num_steps: int
) -> dict[str, Any]:
    """Score a rate-coded network after every window of its simulation.

    Returns:
        Scores at `num_steps`, `images`, `cost` per image, and `curve`: the scores after each window.
    """
    curve: dict[int, Scores] = {}
    with record_cost(network.eval()) as costs:
        for images, labels in batches:
            for step, output in simulate_rate(network, images, num_steps):
                curve.setdefault(step, Scores(reconstruct)).update(output, images, labels)
    last = curve[max(curve)]
    for cost in costs.values():  # recorded once per window, but an ANN computes each layer once
        cost.macs /= len(curve)
        cost.neurons /= len(curve)
    steps = [{"num_steps": step} | scores.means() for step, scores in curve.items()]
    return last.means() | {"images": last.items, "cost": total_cost(costs, last.items), "curve": steps}


def evaluate_all(data_dir: Path, exp_dir: Path) -> Path:
    """Test every method that the experiment has trained, and write `exp_dir/results.json`.

    Raises:
        FileNotFoundError: nothing was trained.
    """
    methods = [method for method in METHODS if (exp_dir / method / "model.pt").is_file()]
    if not methods:
        raise FileNotFoundError(f"{exp_dir}: no trained network there; stages 1 to 3 make them")
    results = {}
    for method in track(methods, len(methods), "test", "method"):
        results[method] = evaluate_method(data_dir, exp_dir / method)
        logger.info("%s: %s", method, ", ".join(f"{k} {v:.4g}" for k, v in results[method].items() if k in SCORES))
    write_json(exp_dir / "results.json", results)
    return exp_dir / "results.json"


def evaluate_method(data_dir: Path, folder: Path) -> dict[str, Any]:
    """Test the network that `run_method` wrote into `folder`, with the configuration it was trained with."""
    network = load_model(folder / "model.pt").to(DEVICE)
    config = read_config(Config, folder / "config.yaml")
    data = VisionData(data_dir, config.data, config.seed)
    reconstruct = config.model.reconstructs
    run = read_json(folder / "run.json")
    steps = next((layer.num_steps for layer in convertible_layers(network).values() if layer.num_steps), 0)
    with loader_faults():
        if run["method"] == "rate":
            images = _moved(data.test_dataloader(config.baselines.rate_images))
            found = evaluate_rate_coded(network, images, reconstruct, config.baselines.rate_steps)
            steps = config.baselines.rate_steps
        else:
            found = evaluate_network(network, _moved(data.test_dataloader()), reconstruct)
    return found | {"num_steps": steps, "epochs": run["epochs"], "hours": run.get("hours", 0.0)}


def _moved(batches: Iterable[Batch]) -> Iterator[Batch]:
    for images, labels in batches:
        yield images.to(DEVICE), labels.to(DEVICE)

"""The test set: scores by hand, the cost of every method, and what stage 4 writes."""

from dataclasses import replace

import pytest
import torch
from tiny_images import tiny_data
from torch import nn

from spiking_tasnet.files import read_json
from spiking_tasnet.snn import ConvertibleLayer, convert
from spiking_tasnet.vision import evaluate
from spiking_tasnet.vision.config import BaselineConfig, Config, DataConfig, ModelConfig, TrainConfig
from spiking_tasnet.vision.evaluate import Scores
from spiking_tasnet.vision.train import run_method


def test_top_1_and_top_5_by_hand():
    scores = Scores(reconstruct=False)
    output = torch.tensor([[9.0, 8, 7, 6, 5, 4], [9, 8, 7, 6, 5, 4], [9, 8, 7, 6, 5, 4], [0, 1, 2, 3, 4, 5]])
    scores.update(output[:3], output[:3], torch.tensor([0, 4, 5]))
    scores.update(output[3:], output[3:], torch.tensor([1]))
    assert scores.means() == {"top1": 1 / 4, "top5": 3 / 4}
    few = Scores(reconstruct=False)
    few.update(torch.tensor([[1.0, 2]]), torch.zeros(1), torch.tensor([0]))
    assert few.means() == {"top1": 0, "top5": 1}


def test_squared_error_is_a_mean_over_images_whatever_the_batches():
    images, output = torch.rand(7, 1, 4, 4), torch.rand(7, 1, 4, 4)
    scores = Scores(reconstruct=True)
    for part in (slice(0, 5), slice(5, 7)):
        scores.update(output[part], images[part], torch.zeros(1))
    assert scores.means()["mse"] == pytest.approx((output - images).square().mean().item())


def small():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(),
        ConvertibleLayer(nn.Linear(6, 8)),
        ConvertibleLayer(nn.Linear(8, 5)),
        ConvertibleLayer(nn.Linear(5, 3), readout=True, rectify=False),
    )


BATCHES = [(torch.rand(4, 1, 2, 3), torch.tensor([0, 1, 2, 0])), (torch.rand(3, 1, 2, 3), torch.tensor([1, 1, 2]))]


def test_scores_and_cost_do_not_depend_on_the_batches():
    network = small()
    with torch.no_grad():
        convert(network, lambda: network(BATCHES[0][0]), num_steps=8)
    joined = [tuple(torch.cat(part) for part in zip(*BATCHES, strict=True))]
    one, other = (evaluate.evaluate_network(network, batches, False) for batches in (BATCHES, joined))
    assert one == other
    assert one["images"] == 7
    assert one["cost"]["total"]["ann_macs"] == 6 * 8 + 8 * 5 + 5 * 3
    assert one["cost"]["total"]["neuron_updates"] == 8 * (8 + 5)


def test_rate_coding_is_scored_after_every_window_and_costed_as_a_whole():
    network = small()
    with torch.no_grad():
        convert(network, lambda: network(BATCHES[0][0]), method="rate", num_steps=32)
    found = evaluate.evaluate_rate_coded(network, BATCHES, False, num_steps=80)
    assert [point["num_steps"] for point in found["curve"]] == [32, 64, 80]
    assert found["top1"] == found["curve"][-1]["top1"] and found["images"] == 7
    total = found["cost"]["total"]
    assert total["ann_macs"] == 6 * 8 + 8 * 5 + 5 * 3  # per image, not per window
    assert total["neuron_updates"] == 80 * (8 + 5)
    # Spikes of all windows: count them once more
    spikes = torch.zeros(2)
    for images, _ in BATCHES:
        for layer in network[1:]:
            layer.reset()
            layer.continues = True
        with torch.no_grad():
            for window in (32, 32, 16):
                for layer in network[1:]:
                    layer.settings = replace(layer.settings, num_steps=window)
                first = network[1](network[0](images))
                spikes += torch.tensor([first.counts.sum(), network[2](first).counts.sum()])
    assert total["synops"] * 7 == pytest.approx((spikes * torch.tensor([5.0, 3.0])).sum().item())
    rates = [layer["firing_rate"] for layer in found["cost"]["layers"][:2]]
    assert rates == pytest.approx([spikes[0].item() / (7 * 8 * 80), spikes[1].item() / (7 * 5 * 80)])


CONFIG = Config(
    ModelConfig("autoencoder", width=0.2),
    DataConfig(batch_size=16),
    ann=TrainConfig(max_epochs=1),
    baselines=BaselineConfig(rate_steps=40, rate_images=6),
)


def test_all_that_was_trained_is_tested(tmp_path):
    data, exp = tiny_data(tmp_path, (40, 14)), tmp_path / "exp"
    with pytest.raises(FileNotFoundError, match="no trained network there; stages 1 to 3 make them"):
        evaluate.evaluate_all(data, exp)
    for method in ("ann", "primitive", "rate"):
        run_method(method, CONFIG, data, exp)
    results = read_json(evaluate.evaluate_all(data, exp))
    assert list(results) == ["ann", "rate", "primitive"]
    for method, found in results.items():
        assert 0 < found["mse"] < 1
        assert found["images"] == (6 if method == "rate" else 14)
        assert found["num_steps"] == {"ann": 0, "rate": 40, "primitive": 16}[method]
        assert found["epochs"] == (1 if method == "ann" else 0)
        pixels = 144  # 144-26-13-6-13-26-144, a fifth of the widths
        macs = sum(one * two for one, two in zip((pixels, 26, 13, 6, 13, 26), (26, 13, 6, 13, 26, pixels), strict=True))
        assert found["cost"]["total"]["ann_macs"] == macs
    assert results["ann"]["cost"]["total"]["synops"] == 0 < results["primitive"]["cost"]["total"]["synops"]
    assert len(results["rate"]["curve"]) == 2

"""Every method of a vision experiment on a fabricated corpus: trains, leaves what it should, goes on after a cut."""

import dataclasses
import shutil

import pytest
import torch
from tiny_images import tiny_data
from tiny_training import PowerCut, assert_same_state

from spiking_tasnet.config import read_config
from spiking_tasnet.files import read_json
from spiking_tasnet.snn import Constraints, check_export, convertible_layers, export_network
from spiking_tasnet.training import fit
from spiking_tasnet.vision import train
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.networks import load_model
from spiking_tasnet.vision.train import METHODS, run_method

CNN = [
    "model.width=0.2",
    "model.dropout=0.1",
    "data.batch_size=16",
    "data.shift=1",
    "ann.max_epochs=4",
    "ann.lr=0.01",
    "snn.max_epochs=6",
    "end_to_end.max_epochs=3",
    "end_to_end.lr=0.01",
    "ptl.num_steps=8",
    "ptl.patience=1",
    "ptl.max_epochs_per_stage=1",
    "ptl.threshold_batches=2",
    "ptl.weight_bits=5",
    "baselines.rate_steps=48",
    "baselines.rate_images=12",
]


def config(*changes, base=CNN):
    return read_config(Config, None, [*base, *changes])


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def ann(data_dir, tmp_path_factory):
    """An experiment whose ANN is trained; tests that write take a copy."""
    exp = tmp_path_factory.mktemp("exp")
    run_method("ann", config(), data_dir, exp)
    return exp


@pytest.fixture
def exp(ann, tmp_path):
    return shutil.copytree(ann, tmp_path / "exp")


ROLES = {
    "ann": ["analog"] * 6,
    "ptl": ["encoding", *["spiking"] * 4, "readout"],
    "tandem": ["encoding", *["spiking"] * 4, "readout"],
    "surrogate": [*["surrogate"] * 5, "readout"],
    "lif": [*["surrogate"] * 5, "readout"],
    "rate": [*["rate"] * 5, "readout"],
    "primitive": ["encoding", *["spiking"] * 4, "readout"],
}


@pytest.mark.parametrize("method", METHODS)
def test_each_method_leaves_a_network_of_its_kind(method, exp, data_dir):
    path = exp / "ann" / "model.pt" if method == "ann" else run_method(method, config(), data_dir, exp)
    network = load_model(path)
    layers = list(convertible_layers(network).values())
    assert path == exp / method / "model.pt"
    assert [layer.role for layer in layers] == ROLES[method]
    bits = Constraints(5 if method in ("ptl", "primitive") else 0)
    assert all(layer.settings.constraints == bits for layer in layers if method != "ann")
    steps = {"ann": 0, "rate": 32}.get(method, 8)
    assert {layer.num_steps for layer in layers[:-1]} == {steps}
    assert layers[0].settings.decay == (0.9 if method == "lif" else 1.0)
    assert all(
        layer.settings.folded == (method in ("ptl", "rate", "primitive")) for layer in layers[:-1]
    )  # norms of scratch: live
    run = read_json(exp / method / "run.json")
    assert run["method"] == method and run["train_images"] == 54 and run["seed"] == 0
    assert run["epochs"] == {"ann": 4, "ptl": 6, "rate": 0, "primitive": 0}.get(method, 3)
    assert read_config(Config, exp / method / "config.yaml") == config()
    if method == "ptl":
        stages = read_json(exp / "ptl" / "stages.json")
        assert [stage["layer"] for stage in stages] == list(convertible_layers(network))
        export_network(network, exp / "network.npz")
        check_export(exp / "network.npz", bits)
    with torch.no_grad():
        assert torch.isfinite(network(torch.rand(4, 1, 12, 12))).all()


def test_the_ann_learns_and_its_best_epoch_is_kept(ann, data_dir):
    rows = (ann / "ann" / "history.csv").read_text().splitlines()
    losses = [float(row.split(",")[3]) for row in rows[1:]]
    assert rows[0] == "epoch,ptl_stage,train_loss,val_loss,val_accuracy,lr,seconds"
    assert min(losses[1:]) < losses[0]
    network, data = load_model(ann / "ann" / "model.pt"), train.VisionData(data_dir, config().data)
    ((images, labels),) = data.val_dataloader()
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(network(images), labels).item()
    assert loss == pytest.approx(min(losses), abs=2e-6)


@pytest.mark.parametrize("method", ["tandem", "surrogate"])
def test_end_to_end_methods_may_start_from_the_ann(method, exp, data_dir):
    changed = config("baselines.pretrained=true", "end_to_end.max_epochs=1", "end_to_end.lr=1e-9")
    network = load_model(run_method(method, changed, data_dir, exp))
    ann = load_model(exp / "ann" / "model.pt")
    from spiking_tasnet.snn.fold import folded_weights

    for layer, analog in zip(convertible_layers(network).values(), convertible_layers(ann).values(), strict=True):
        if analog.norm is not None:
            assert layer.settings.folded
            torch.testing.assert_close(layer.operator.weight, folded_weights(analog.operator, analog.norm)[0])


@pytest.mark.parametrize(
    ("method", "epoch", "changes"),
    [
        ("ann", 2, []),
        ("ptl", 3, []),
        ("surrogate", 1, []),
        ("tandem", 1, ["baselines.pretrained=true"]),
    ],
)
def test_an_interrupted_run_goes_on_where_it_stopped(method, epoch, changes, exp, data_dir, tmp_path, monkeypatch):
    changed = config(*changes)
    other = shutil.copytree(exp, tmp_path / "other")
    shutil.rmtree(other / "ann") if method == "ann" else None
    whole = exp / "ann" / "model.pt" if method == "ann" else run_method(method, changed, data_dir, exp)

    def cut(module, data, out, callbacks, **kwargs):
        return fit(module, data, out, [*callbacks, PowerCut(epoch)], **kwargs)

    monkeypatch.setattr(train, "fit", cut)
    with pytest.raises(RuntimeError, match="power cut"):
        run_method(method, changed, data_dir, other)
    assert not (other / method / "model.pt").exists()
    monkeypatch.setattr(train, "fit", fit)
    path = run_method(method, changed, data_dir, other)
    assert_same_state(load_model(path), load_model(whole).state_dict())
    without_seconds = lambda path: [row.rsplit(",", 1)[0] for row in path.read_text().splitlines()]  # noqa: E731
    assert without_seconds(other / method / "history.csv") == without_seconds(whole.parent / "history.csv")


def rates(exp, method):
    rows = [row.split(",") for row in (exp / method / "history.csv").read_text().splitlines()]
    return [float(row[rows[0].index("lr")]) for row in rows[1:]]


def test_the_rate_falls_over_the_run_or_in_each_stage(exp, data_dir, tmp_path):
    new = tmp_path / "new"
    run_method("ann", config("ann.decay_at=2"), data_dir, new)
    assert rates(new, "ann") == pytest.approx([0.01, 0.01, 0.001, 0.001])
    run_method("tandem", config("end_to_end.schedule=cosine"), data_dir, new)
    assert rates(new, "tandem") == pytest.approx([0.01, 0.0075, 0.0025])
    stages = ["snn.schedule=stage", "snn.max_epochs=12", "ptl.max_epochs_per_stage=2", "ptl.patience=2"]
    run_method("ptl", config(*stages), data_dir, exp)
    assert rates(exp, "ptl") == pytest.approx([1e-3, 5e-4] * 6)
    with pytest.raises(ValueError, match="'stage' found without ptl.max_epochs_per_stage"):
        config("snn.schedule=stage", "ptl.max_epochs_per_stage=0")


def test_a_finished_run_done_again_is_the_same(exp, data_dir):
    before = load_model(exp / "ann" / "model.pt").state_dict()
    run_method("ann", config(), data_dir, exp)
    assert_same_state(load_model(exp / "ann" / "model.pt"), before)


@pytest.mark.parametrize(
    ("method", "changes", "told"),
    [
        ("ann", ["seed=1"], "seed 0 there, 1 here"),
        ("ann", ["data.limit_train=7"], "data.limit_train 0 there, 7 here"),
        ("primitive", ["ptl.num_steps=4"], "ptl.num_steps 8 there, 4 here"),
    ],
)
def test_a_method_of_other_settings_is_refused(method, changes, told, exp, data_dir):
    run_method(method, config("data.num_workers=0"), data_dir, exp)
    before = (exp / method / "model.pt").read_bytes()
    with pytest.raises(ValueError, match=f"{method}: trained with other settings .{told}.; give another --exp"):
        run_method(method, config(*changes), data_dir, exp)
    assert (exp / method / "model.pt").read_bytes() == before
    run_method(method, config("end_to_end.lr=0.5"), data_dir, exp)  # read by other methods only


def test_data_that_moved_are_the_same_and_other_data_are_refused(exp, data_dir, tmp_path):
    run_method("ann", config(), shutil.copytree(data_dir, tmp_path / "moved"), exp)
    with pytest.raises(ValueError, match="ann: trained with other settings .another data."):
        run_method("ann", config(), tiny_data(tmp_path / "fewer", counts=(48, 20)), exp)


def test_mistakes_are_told(exp, data_dir, tmp_path):
    with pytest.raises(ValueError, match="method 'magic' found, one of ann, ptl, "):
        run_method("magic", config(), data_dir, exp)
    with pytest.raises(FileNotFoundError, match="no trained ANN; run stage 1 .method ann. first"):
        run_method("ptl", config(), data_dir, tmp_path / "none")
    for wrong in ("model.width=0.3", "model.network=autoencoder"):
        with pytest.raises(ValueError, match="an ANN of other sizes found than the configuration says; run stage 1"):
            run_method("ptl", config(wrong), data_dir, exp)
    with pytest.raises(ValueError, match="PTL stages begun when snn.max_epochs = 2 were over.*raise it"):
        run_method("ptl", config("snn.max_epochs=2"), data_dir, exp)
    assert not (exp / "ptl" / "model.pt").exists()


def test_the_run_of_another_ann_is_named(exp, data_dir, tmp_path):
    path = run_method("primitive", config(), data_dir, tmp_path / "new", ann=exp / "ann" / "model.pt")
    assert path.is_file() and not (tmp_path / "new" / "ann").exists()


def test_a_configuration_saved_with_a_run_builds_it_again(exp):
    assert dataclasses.asdict(read_config(Config, exp / "ann" / "config.yaml")) == dataclasses.asdict(config())

"""A model.pt that somebody changed: one line that names file and fault, before its memory is taken."""

import pytest
import torch

from spiking_tasnet.separation import network as separation
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.vision import networks as vision

SMALL = ModelConfig(n_filters=8, kernel_size=4, stride=2, bn_chan=6, hid_chan=6, n_blocks=2)
IMAGES = {"name": "mnist_cnn", "image": [1, 12, 12], "n_classes": 4, "width": 0.2, "dropout": 0.0}


@pytest.fixture(params=["separation", "vision"])
def model(request, tmp_path):
    """Path, its contents, and how it is read."""
    path = tmp_path / "model.pt"
    if request.param == "separation":
        separation.save_model(path, separation.TasNet(SMALL))
        load = separation.load_model
    else:
        vision.save_model(path, vision.build_network(**IMAGES | {"image": (1, 12, 12)}), IMAGES)
        load = vision.load_model
    return path, torch.load(path, weights_only=True), load


def refusal(model, change):
    path, contents, load = model
    change(contents)
    torch.save(contents, path)
    with pytest.raises(ValueError) as found:
        load(path)
    told = str(found.value)
    assert told.startswith(f"{path}: ") and "\n" not in told
    return told


def first_weight(contents):
    return next(name for name, value in contents["state_dict"].items() if name.endswith("operator.weight"))


def first_extra(contents):
    return next(value for name, value in contents["state_dict"].items() if name.endswith("_extra_state"))


def test_a_model_reads_back(model):
    path, contents, load = model
    state = load(path).state_dict()
    tensors = {name: value for name, value in contents["state_dict"].items() if isinstance(value, torch.Tensor)}
    assert tensors and all(torch.equal(state[name], value) for name, value in tensors.items())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers(model, value):
    name = first_weight(model[1])

    def spoil(contents):
        contents["state_dict"][name].view(-1)[3] = value

    assert f"{name} holds NaN or infinite values" in refusal(model, spoil)


@pytest.mark.parametrize("part", ["model", "state_dict"])
@pytest.mark.parametrize("value", [None, 3, [1], "text", {}])
def test_parts_of_the_wrong_kind(model, part, value):
    def spoil(contents):
        contents[part] = value

    refusal(model, spoil)
    if value is None:
        assert "a model without its sizes or its weights" in refusal(model, lambda contents: contents.pop(part))


def test_a_weight_is_missing_or_has_another_shape(model):
    name = first_weight(model[1])
    weight = model[1]["state_dict"][name]

    def spoil(contents):
        contents["state_dict"][name] = weight.new_zeros(weight.numel() + 1)

    assert "another network found" in refusal(model, spoil)
    assert refusal(model, lambda contents: contents["state_dict"].pop(name))
    assert "another network found" in refusal(model, lambda contents: contents["state_dict"].update({name: "text"}))


@pytest.mark.parametrize(
    "change",
    [
        {"role": "magic"},
        {"num_steps": "many"},
        {"num_steps": 10**9},
        {"v_init": None},
        {"decay": 2.0},
        {"constraints": {"bits": 3}},
        {"role": "spiking", "num_steps": 8},  # its threshold is zero
    ],
)
def test_layers_in_a_state_that_no_conversion_leaves(model, change):
    assert "another network found" in refusal(model, lambda contents: first_extra(contents).update(change))


def test_sizes_beyond_what_the_file_holds_take_no_memory(model):
    """Sizes of 160 GB would be refused only after the computer had tried."""
    path, contents, load = model
    sizes = {"hid_chan": 20_000, "bn_chan": 10_000} if "hid_chan" in contents["model"] else {"width": 2_000.0}
    told = refusal(model, lambda contents: contents["model"].update(sizes))
    assert "its sizes make no network" in told or "its sizes are those of" in told
    sizes = {"hid_chan": 400} if "hid_chan" in contents["model"] else {"width": 4.0}
    contents["model"] = (SMALL.__dict__ if "hid_chan" in contents["model"] else IMAGES) | sizes
    assert "its sizes are those of" in refusal((path, contents, load), lambda contents: None)
    assert "its sizes make no network" in refusal(model, lambda contents: contents.update(model={"a": 1}))

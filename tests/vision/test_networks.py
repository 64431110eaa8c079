"""The paper's networks, layer by layer; strides against the pooled originals."""

from pathlib import Path

import pytest
import torch
from torch import nn

import spiking_tasnet
from spiking_tasnet.snn import ConvertibleLayer, convert, convertible_layers
from spiking_tasnet.vision.config import NETWORKS
from spiking_tasnet.vision.networks import BUILDERS, VGG, build_network, load_model, save_model, strided


def described(network, image):
    """Each layer as c<channels>s<stride>, or its features, and the sizes that its output has."""
    words, sizes = [], []
    x = torch.zeros(2, *image)
    with torch.no_grad():
        for module in network.eval():
            x = module(x)
            if isinstance(module, ConvertibleLayer):
                operator = module.operator
                convolves = isinstance(operator, nn.Conv2d)
                words.append(
                    f"c{operator.out_channels}s{operator.stride[0]}" if convolves else str(operator.out_features)
                )
                sizes.append(tuple(x.shape[2:]))
    return "-".join(words), sizes


def test_the_mnist_cnn_is_the_papers():
    network = build_network("mnist_cnn", (1, 28, 28), 10)
    words, sizes = described(network, (1, 28, 28))
    assert words == "c16s1-c32s2-c32s1-c64s2-800-10"
    assert sizes[:4] == [(28, 28), (14, 14), (14, 14), (7, 7)]
    assert {
        layer.operator.kernel_size for layer in network if isinstance(getattr(layer, "operator", None), nn.Conv2d)
    } == {(3, 3)}


def test_the_autoencoder_is_the_papers():
    network = build_network("autoencoder", (1, 28, 28), 10)
    assert described(network, (1, 28, 28))[0] == "128-64-32-64-128-784"
    x = torch.rand(5, 1, 28, 28)
    out = network.eval()(x)
    assert out.shape == x.shape and 0 < out.min() and out.max() < 1
    # the sigmoid reads the readout itself, not a rectified one: a pixel can be darker than one half
    assert out.min() < 0.5


@pytest.mark.parametrize(("name", "weight_layers"), [("vgg11", 11), ("vgg13", 13), ("vgg16", 16), ("alexnet", 8)])
@pytest.mark.parametrize("size", [32, 224])
def test_depths_are_the_names(name, weight_layers, size):
    with torch.device("meta"):
        network = build_network(name, (3, size, size), 10)
    layers = list(convertible_layers(network).values())
    assert len(layers) == weight_layers
    assert layers[-1].readout and not layers[-1].rectify and layers[-1].norm is None
    assert all(layer.norm is not None and not layer.readout for layer in layers[:-1])


def pooled_sizes(configuration, size):
    """Output sizes of the original's convolutions, and after its last pooling, by running it with 2x2 max pooling."""
    x, sizes = torch.zeros(1, 1, size, size), []
    for entry in configuration:
        if entry == "M":
            x = nn.functional.max_pool2d(x, 2)
        else:
            x = nn.functional.conv2d(x, torch.zeros(1, 1, 3, 3), padding=1)
            sizes.append(tuple(x.shape[2:]))
    return sizes, tuple(x.shape[2:])


@pytest.mark.parametrize("size", [32, 224])
@pytest.mark.parametrize("name", VGG)
def test_strides_leave_the_sizes_of_the_pooled_original(name, size):
    expected, last = pooled_sizes(VGG[name], size)
    found, length = [], size
    for _, kernel, stride in strided(VGG[name]):
        length = (length + 2 * (kernel // 2) - kernel) // stride + 1
        found.append((length, length))
    assert found[:-1] == expected[:-1]
    assert found[-1] == last  # the last convolution takes over the pooling behind it
    assert [chan for chan, _, _ in strided(VGG[name])] == [entry for entry in VGG[name] if entry != "M"]


def test_a_vgg_as_built_has_these_sizes():
    network = build_network("vgg11", (3, 32, 32), 10, width=0.1)
    assert [size[0] for size in described(network, (3, 32, 32))[1] if size] == [32, 16, 8, 8, 4, 4, 2, 1]
    assert described(build_network("alexnet", (3, 32, 32), 10, width=0.1), (3, 32, 32))[1][:5] == [
        (length, length) for length in (32, 16, 8, 8, 4)
    ]


def test_every_network_of_a_configuration_can_be_built():
    assert NETWORKS == tuple(BUILDERS)


@pytest.mark.parametrize("name", BUILDERS)
def test_every_layer_of_every_network_spikes_once_converted(name):
    torch.manual_seed(0)
    image = (1, 28, 28) if name in ("mnist_cnn", "autoencoder") else (3, 32, 32)
    network = build_network(name, image, 10, width=0.1, dropout=0.2)
    x = torch.rand(8, *image)
    with torch.no_grad():
        analog = network.eval()(x)
        convert(network, lambda: network(x), num_steps=32, v_init=0.5)
        spiking = network(x)
    roles = [layer.role for layer in convertible_layers(network).values()]
    assert roles == ["encoding", *["spiking"] * (len(roles) - 2), "readout"]
    assert spiking.shape == analog.shape == ((8, *image) if name == "autoencoder" else (8, 10))
    assert torch.isfinite(spiking).all()


def test_width_and_dropout():
    network = build_network("mnist_cnn", (1, 28, 28), 7, width=0.5, dropout=0.3)
    assert described(network, (1, 28, 28))[0] == "c8s1-c16s2-c16s1-c32s2-400-7"
    assert [module.p for module in network if isinstance(module, nn.Dropout)] == [0.3, 0.3]


def test_a_model_is_read_as_it_was_written(tmp_path):
    arguments = {"name": "mnist_cnn", "image": [1, 12, 12], "n_classes": 4, "width": 0.2, "dropout": 0.1}
    network = build_network(**arguments)
    x = torch.rand(6, 1, 12, 12)
    with torch.no_grad():
        convert(network, lambda: network(x), num_steps=8)
        save_model(tmp_path / "model.pt", network, arguments)
        found = load_model(tmp_path / "model.pt")
        assert not found.training
        assert torch.equal(found(x), network.eval()(x))
    with pytest.raises(FileNotFoundError, match="none.pt: no such model; stages 1 to 3 make it"):
        load_model(tmp_path / "none.pt")


def test_an_installed_package_holds_every_module():
    root = Path(spiking_tasnet.__file__).parent
    folders = {path.parent for path in root.rglob("*.py")}
    assert all((folder / "__init__.py").is_file() for folder in folders)  # else setuptools leaves the folder out

"""The paper's image networks as sequences of convertible layers (sections 5.1 and 6.3.1).

Pooling. Spikes cannot be pooled: the maximum reads counts, and an average is no spike. So no network here pools; the
convolution that follows a pooling layer of the original takes over its stride of 2, which leaves every layer's output
size, and nearly its cost, as in the original. A pooling layer after the last convolution is taken over by that one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import nn

from spiking_tasnet.model_file import read_model, write_model
from spiking_tasnet.snn import ConvertibleLayer

POOL = "M"
VGG = {  # Simonyan & Zisserman, configurations A, B and D: 8, 10 and 13 convolutions
    "vgg11": (64, POOL, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512, POOL),
    "vgg13": (64, 64, POOL, 128, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512, POOL),
    "vgg16": (64, 64, POOL, 128, 128, POOL, *(256,) * 3, POOL, *(512,) * 3, POOL, *(512,) * 3, POOL),
}
# (channels, kernel, stride): for 32 pixels after Wu et al. 2019, for 224 after Krizhevsky's
ALEXNET_SMALL = ((96, 3, 1), (256, 3, 2), (384, 3, 2), (384, 3, 1), (256, 3, 2))
ALEXNET_LARGE = ((96, 11, 4), (256, 5, 2), (384, 3, 2), (384, 3, 1), (256, 3, 2))
FORMAT = "spiking_tasnet.vision"
LARGE = 64  # pixels from which an image counts as ImageNet's


def convolution(in_chan: int, out_chan: int, kernel: int = 3, stride: int = 1) -> ConvertibleLayer:
    """Convolution (zeros keep the size, but for the stride) + BN + ReLU."""
    operator = nn.Conv2d(in_chan, out_chan, kernel, stride, padding=kernel // 2, bias=False)
    return ConvertibleLayer(operator, nn.BatchNorm2d(out_chan))


def dense(in_features: int, out_features: int) -> ConvertibleLayer:
    """Linear + BN + ReLU."""
    return ConvertibleLayer(nn.Linear(in_features, out_features, bias=False), nn.BatchNorm1d(out_features))


def head(in_features: int, out_features: int) -> ConvertibleLayer:
    """The last layer: its readout is the free aggregate membrane potential itself (Eq. 9), no ReLU."""
    return ConvertibleLayer(nn.Linear(in_features, out_features), readout=True, rectify=False)


def classifier(
    convolutions: Sequence[tuple[int, int, int]],
    hidden: Sequence[int],
    image: tuple[int, int, int],
    n_classes: int,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Convolutions, fully connected layers, readout.

    Args:
        convolutions: (out channels, kernel, stride) of each.
        hidden: widths of the fully connected layers between the convolutions and the readout.
        image: channels, height, width.
        n_classes: outputs.
        dropout: before each fully connected layer, in training; spikes pass it unchanged.
    """
    chan, height, width = image
    layers: list[nn.Module] = []
    for out_chan, kernel, stride in convolutions:
        layers.append(convolution(chan, out_chan, kernel, stride))
        chan, height, width = out_chan, -(-height // stride), -(-width // stride)
    layers.append(nn.Flatten())
    features = chan * height * width
    for width_ in hidden:
        layers += [nn.Dropout(dropout)] if dropout else []
        layers.append(dense(features, width_))
        features = width_
    layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, head(features, n_classes))


def mnist_cnn(image: tuple[int, int, int], n_classes: int, width: float, dropout: float) -> nn.Sequential:
    """28x28-c16s1-c32s2-c32s1-c64s2-800-10 (section 5.1)."""
    convolutions = [(_scaled(chan, width), 3, stride) for chan, stride in ((16, 1), (32, 2), (32, 1), (64, 2))]
    return classifier(convolutions, [_scaled(800, width)], image, n_classes, dropout)


def alexnet(image: tuple[int, int, int], n_classes: int, width: float, dropout: float) -> nn.Sequential:
    """Five convolutions and two hidden layers."""
    large = image[1] >= LARGE
    convolutions = [
        (_scaled(chan, width), kernel, stride) for chan, kernel, stride in (ALEXNET_LARGE if large else ALEXNET_SMALL)
    ]
    return classifier(convolutions, [_scaled(4096 if large else 1024, width)] * 2, image, n_classes, dropout)


def vgg(name: str) -> Callable[..., nn.Sequential]:
    """Builder of a VGG: as many convolutions as its configuration says, and two hidden layers."""

    def build(image: tuple[int, int, int], n_classes: int, width: float, dropout: float) -> nn.Sequential:
        hidden = [_scaled(4096 if image[1] >= LARGE else 512, width)] * 2
        return classifier(strided(VGG[name], width), hidden, image, n_classes, dropout)

    return build


def strided(configuration: Sequence[int | str], width: float = 1.0) -> list[tuple[int, int, int]]:
    """(channels, kernel, stride) of a VGG configuration whose pooling the next convolution takes over.

    Example:
        >>> strided((64, "M", 128, "M"))
        [(64, 3, 1), (128, 3, 4)]
        >>> strided((64, "M", 128, 128, "M"))
        [(64, 3, 1), (128, 3, 2), (128, 3, 2)]
    """
    layers: list[list[int]] = []
    stride = 1
    for entry in configuration:
        if entry == POOL:
            stride *= 2
        else:
            layers.append([_scaled(int(entry), width), 3, stride])
            stride = 1
    layers[-1][2] *= stride
    return [tuple(layer) for layer in layers]


def autoencoder(image: tuple[int, int, int], n_classes: int, width: float, dropout: float) -> nn.Sequential:
    """784-128-64-32-64-128-784, ReLU within, sigmoid on the free aggregate membrane potential (section 6.3.1)."""
    pixels = image[0] * image[1] * image[2]
    widths = [pixels, *(_scaled(features, width) for features in (128, 64, 32, 64, 128))]
    hidden = [dense(one, two) for one, two in zip(widths, widths[1:], strict=False)]
    return nn.Sequential(nn.Flatten(), *hidden, head(widths[-1], pixels), nn.Sigmoid(), nn.Unflatten(1, image))


NETWORKS: dict[str, Callable[..., nn.Sequential]] = {
    "mnist_cnn": mnist_cnn,
    "alexnet": alexnet,
    **{name: vgg(name) for name in VGG},
    "autoencoder": autoencoder,
}


def build_network(
    name: str, image: tuple[int, int, int], n_classes: int, width: float = 1.0, dropout: float = 0.0
) -> nn.Sequential:
    """An analog network of `NETWORKS`.

    Args:
        name: of the network.
        image: channels, height and width of its input.
        n_classes: outputs of a classifier; the autoencoder reads none.
        width: factor on every layer's channels, 1 for the paper's.
        dropout: before fully connected layers of a classifier.
    """
    return NETWORKS[name](image, n_classes, width, dropout)


def save_model(path: str | Path, network: nn.Module, arguments: dict) -> None:
    """Write a network that `build_network` made from `arguments`."""
    write_model(path, FORMAT, arguments, network)


def load_model(path: str | Path) -> nn.Sequential:
    """Read a network written by `save_model`, in eval mode; errors as `read_model`."""
    hint = "stages 1 to 3 make it"
    return read_model(path, FORMAT, lambda found: build_network(**found | {"image": tuple(found["image"])}), hint)


def _scaled(channels: int, width: float) -> int:
    return max(4, round(channels * width))

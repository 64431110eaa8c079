"""The paper's image networks as sequences of convertible layers (its sections 5.1 and 6.3.1).

Pooling. Spikes cannot be pooled: a maximum needs counts, and an average of spikes is not a spike. No network here
pools. Where the original has a pooling layer, the convolution after it takes a stride of 2 instead, so every layer
keeps its output size and nearly its cost. A pooling layer after the last convolution becomes that convolution's stride.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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
LARGE = 64  # pixels; larger images get the networks for ImageNet


def convolution(in_chan: int, out_chan: int, kernel: int = 3, stride: int = 1) -> ConvertibleLayer:
    """Convolution (zero padding, so that only the stride changes the size) + BN + ReLU."""
    operator = nn.Conv2d(in_chan, out_chan, kernel, stride, padding=kernel // 2, bias=False)
    return ConvertibleLayer(operator, nn.BatchNorm2d(out_chan))


def dense(in_features: int, out_features: int) -> ConvertibleLayer:
    """Linear + BN + ReLU."""
    return ConvertibleLayer(nn.Linear(in_features, out_features, bias=False), nn.BatchNorm1d(out_features))


def head(in_features: int, out_features: int) -> ConvertibleLayer:
    """The last layer: it reads out the free aggregate membrane potential (Eq. 9), without ReLU."""
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
        convolutions: (output channels, kernel size, stride) of each.
        hidden: widths of the fully connected layers between the convolutions and the readout.
        image: channels, height, width.
        n_classes: number of outputs.
        dropout: probability before each fully connected layer, in training; spikes pass unchanged.
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
    """28x28-c16s1-c32s2-c32s1-c64s2-800-10: four convolutions (channels, stride), one hidden layer, ten classes."""
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
    """(channels, kernel, stride) of a VGG configuration; the stride of a convolution stands for the pooling before it.

    Examples:
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
    return [(chan, kernel, stride) for chan, kernel, stride in layers]


def autoencoder(image: tuple[int, int, int], n_classes: int, width: float, dropout: float) -> nn.Sequential:
    """784-128-64-32-64-128-784: ReLU inside, sigmoid on the free aggregate membrane potential at the end."""
    pixels = image[0] * image[1] * image[2]
    widths = [pixels, *(_scaled(features, width) for features in (128, 64, 32, 64, 128))]
    hidden = [dense(one, two) for one, two in zip(widths, widths[1:], strict=False)]
    return nn.Sequential(nn.Flatten(), *hidden, head(widths[-1], pixels), nn.Sigmoid(), nn.Unflatten(1, image))


BUILDERS: dict[str, Callable[..., nn.Sequential]] = {
    "mnist_cnn": mnist_cnn,
    "alexnet": alexnet,
    **{name: vgg(name) for name in VGG},
    "autoencoder": autoencoder,
}


def build_network(
    name: str, image: Sequence[int], n_classes: int, width: float = 1.0, dropout: float = 0.0
) -> nn.Sequential:
    """Build an analog network.

    Args:
        name: of `BUILDERS`.
        image: channels, height and width of its input.
        n_classes: number of outputs of a classifier; the autoencoder ignores it.
        width: factor on the number of channels of every layer; 1 for the paper's network.
        dropout: probability before the fully connected layers of a classifier.
    """
    return BUILDERS[name](tuple(image), n_classes, width, dropout)


def save_model(path: str | Path, network: nn.Module, arguments: dict[str, Any]) -> None:
    """Write a network that `build_network` built from `arguments`."""
    write_model(path, FORMAT, arguments, network)


def load_model(path: str | Path) -> nn.Sequential:
    """Read a network written by `save_model`, in eval mode; errors as `read_model`."""
    return read_model(path, FORMAT, lambda arguments: build_network(**arguments), "stages 1 to 3 make it")


def _scaled(channels: int, width: float) -> int:
    return max(4, round(channels * width))

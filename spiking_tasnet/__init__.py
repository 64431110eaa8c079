"""Speech separation with a spiking separator.

The names below are imported on first use, so that `import spiking_tasnet` takes milliseconds and loads no torch:

Separator                    separates recordings with a trained network
ConvertibleLayer             a layer that is analog first and spiking once converted
make_convertible             finds the layers of a plain torch network that can be converted
convert                      converts all layers of a network at once, without training
Spikes                       what flows between spiking layers
ProgressiveTandemLearning    the Lightning callback that converts layer by layer while it trains
PTLConfig                    its settings

Examples:
    >>> import torch
    >>> import spiking_tasnet
    >>> layer = spiking_tasnet.ConvertibleLayer(torch.nn.Linear(4, 2))
    >>> layer(torch.ones(1, 4)).shape
    torch.Size([1, 2])

CONTRIBUTING.md lists the folders of the package and what may import what.
"""

from typing import TYPE_CHECKING

from spiking_tasnet.lazy import lazy_names

if TYPE_CHECKING:
    from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig
    from spiking_tasnet.separation.separator import Separator
    from spiking_tasnet.snn import ConvertibleLayer, Spikes, convert, make_convertible

__version__ = "0.1.0"

__all__ = [
    "ConvertibleLayer",
    "PTLConfig",
    "ProgressiveTandemLearning",
    "Separator",
    "Spikes",
    "convert",
    "make_convertible",
]

# The same modules as above, which type checkers read.
_HOMES = {
    "ConvertibleLayer": "spiking_tasnet.snn",
    "PTLConfig": "spiking_tasnet.ptl",
    "ProgressiveTandemLearning": "spiking_tasnet.ptl",
    "Separator": "spiking_tasnet.separation.separator",
    "Spikes": "spiking_tasnet.snn",
    "convert": "spiking_tasnet.snn",
    "make_convertible": "spiking_tasnet.snn",
}

__getattr__, __dir__ = lazy_names(globals(), _HOMES)

"""Speech separation with a spiking separator.

files       whole-or-nothing writing
config      settings from YAML
yaml_file   YAML without what no person means
progress    a bar on a terminal, a line now and then elsewhere
model_file  a trained network in one file
plain_file  files of tensors, checked before they are loaded
snn         spikes, integrate-and-fire layers, coding, thresholds, conversion, cost, kernels
training    fitting with exact resume, history, checkpoints, provenance
ptl         progressive tandem learning as a Lightning callback
report      Markdown tables and learning curves, for any recipe
separation  network, mixing, data, losses, metrics, inference, report
vision      image networks, their data, the methods compared, report
cli         the command line over the above

`from spiking_tasnet import Separator` separates recordings in Python.
"""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import `Separator` when somebody asks for it, so that a command's --help need not load torch."""
    if name == "Separator":
        from spiking_tasnet.separation.separator import Separator

        return Separator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

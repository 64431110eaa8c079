"""The spiking core; it knows torch and nothing of speech or vision.

words       spike trains packed into 32-bit words
settings    how a layer spikes, and how a network is converted; plain data
neuron      integrate-and-fire dynamics and encoding
operators   Linear, Conv1d, Conv2d with given weights; fan-out
fold        batch norm into the operator before it
threshold   Threshold LayerNorm
tandem      spikes forward, the analog layer's gradient backward
surrogate   spikes that a gradient goes through in time
constraints few bits and few inputs; fixed_point: the integers that follow
kernels     the simulation behind one interface
spikes      what flows between spiking layers
free_potential  the readout of few bits, added up as integers
branch      what a converted layer computes with; roles: what it computes in each role
numbers     NaN and integers beyond 32 bits are refused; computed: weights that other code computes at each call
layers      the layer that is analog first and spiking once converted; kept: what it computes from its weights once
compose     networks of convertible layers: find them, the order in which they run, what they share
rehearsal   what each layer will be given once those below it spike
plain_networks  make plain torch networks convertible; chains: what stands in their nn.Sequential
conversion  conversion of a layer, and of a network without training; undo: layers as they were where it fails
energy      MACs, synaptic operations, energy
export      a converted network in one file of arrays, and its check; export_fields: what is in it

The names below are imported on first use, so that `snn.settings` alone loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spiking_tasnet.snn.compose import LayerReport, convertible_layers, keep_synapses
    from spiking_tasnet.snn.conversion import convert, convert_layer
    from spiking_tasnet.snn.energy import record_cost
    from spiking_tasnet.snn.export import check_export, export_network
    from spiking_tasnet.snn.layers import ConvertibleLayer
    from spiking_tasnet.snn.neuron import integrate_and_fire
    from spiking_tasnet.snn.plain_networks import make_convertible
    from spiking_tasnet.snn.settings import Constraints, ConversionSettings, SpikingSettings
    from spiking_tasnet.snn.spikes import Spikes
    from spiking_tasnet.snn.threshold import activation_percentile

__all__ = [
    "Constraints",
    "ConversionSettings",
    "ConvertibleLayer",
    "LayerReport",
    "Spikes",
    "SpikingSettings",
    "activation_percentile",
    "check_export",
    "convert",
    "convert_layer",
    "convertible_layers",
    "export_network",
    "integrate_and_fire",
    "keep_synapses",
    "make_convertible",
    "record_cost",
]

_HOMES = {
    "compose": ("LayerReport", "convertible_layers", "keep_synapses"),
    "conversion": ("convert", "convert_layer"),
    "energy": ("record_cost",),
    "export": ("check_export", "export_network"),
    "layers": ("ConvertibleLayer",),
    "neuron": ("integrate_and_fire",),
    "plain_networks": ("make_convertible",),
    "settings": ("Constraints", "ConversionSettings", "SpikingSettings"),
    "spikes": ("Spikes",),
    "threshold": ("activation_percentile",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name from the module that holds it."""
    if name in _HOME_OF:
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The spiking core; it knows torch and nothing of speech or vision.

spikes      what flows between spiking layers
neuron      integrate-and-fire dynamics and encoding
threshold   Threshold LayerNorm
fold        batch norm into the operator before it
tandem      spikes forward, the analog layer's gradient backward
operators   Linear, Conv1d, Conv2d with given weights; fan-out
layers      the layer that is analog first and spiking once converted
network     find convertible layers, make plain torch networks convertible
convert     conversion of a layer, and of a network without training
kept        what a layer in use works out of its weights once
energy      MACs, synaptic operations, energy
export      a converted network in one file of arrays, and its check; export_fields: what is in it
kernels     the simulation behind one interface
"""

from spiking_tasnet.snn.constraints import Constraints
from spiking_tasnet.snn.convert import SpikingSettings, convert, convert_layer
from spiking_tasnet.snn.energy import record_cost
from spiking_tasnet.snn.export import check_export, export_network
from spiking_tasnet.snn.kept import keep_synapses
from spiking_tasnet.snn.layers import ConvertibleLayer
from spiking_tasnet.snn.network import LayerReport, convertible_layers, make_convertible
from spiking_tasnet.snn.neuron import integrate_and_fire
from spiking_tasnet.snn.spikes import Spikes
from spiking_tasnet.snn.threshold import activation_percentile

__all__ = [
    "Constraints",
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

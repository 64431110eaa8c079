"""Speech separation with a spiking separator.

files       whole-or-nothing writing
snn         spikes, integrate-and-fire layers, coding, thresholds, conversion, cost, kernels
ptl         progressive tandem learning as a Lightning callback
separation  network, mixing, data, losses, metrics, inference, report
cli         the command line over the above
"""

__version__ = "0.1.0"

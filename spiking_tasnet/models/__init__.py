"""The network that is shipped: `SHIPPED`, a packed file of a spiking separator of two talkers and its ANN.

Its data, figures and limits are in README.md beside it, the model card.
"""

from pathlib import Path

SHIPPED = Path(__file__).with_name("talkers.pt")

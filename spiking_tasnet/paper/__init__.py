"""The paper's tables and figures on image data, one command each (sections 3.3, 5 and 6).

exhibits         what there is, and how one is made
runs             trainings by their settings, each made once and shared
published        the paper's own numbers
summary          means over seeds, rows of the CSV
style            one look for all pictures
tables           Tables 1 to 3
activations      Fig. 1
curves           Figs. 4 and 5
sweeps           Fig. 6
reconstructions  Fig. 8
"""

from spiking_tasnet.paper.exhibits import EXHIBITS, make

__all__ = ["EXHIBITS", "make"]

"""The paper's tables and figures, one command each.

exhibits         the catalogue
make             from a configuration to a picture
runs             trainings by their settings, each made once and shared
published        the paper's own numbers
summary          means over seeds, rows of the CSV
style            one look for all pictures
tables           Tables 1 to 3
separation       Table 4, from experiments of a separation recipe
activations      Fig. 1
curves           Figs. 4 and 5
sweeps           Fig. 6
reconstructions  Fig. 8
"""

"""Separate a recording of any length, block by block, in constant memory.

Each stage has `push(rows) -> rows` and `finish() -> rows`: as many samples come out as went in, in the same
order, later. Rows are float32, `(n_rows, n_samples)`.

fifo        samples between two stages
resampling  any rate to the network's and back
rumble      offset and rumble removed
level       brought to the level of the training mixtures
windows     the network, on windows with as much context as it sees
compiled    the network in C, in place of the windows
gains       the free levels of its sources fitted to the mixture
voice       what a voice sounds like
linking     the same talker on the same row after a pause
stream      all of them in a row
live        the network in C, with nothing held back but what it looks ahead
"""

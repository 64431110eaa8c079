"""Speech separation with a spiking separator.

audio         sound files: read, checked, written
corpora       mixtures of two talkers: lists, speech on disk, mixing
parallel      a function over many items on all cores

Training:
config        an experiment's settings
data          segments of mixtures
network       the Conv-TasNet with a convertible separator; frames: encoder, mask and decoder
packed        a spiking network and its ANN in one small file
residual      residual connections in training
module        the LightningModule and its loss
train         stages 1 and 2

Results:
separator     recordings in Python; streaming: how, block by block
separate_file one recording into files (source_files, output_names)
separate_set  a data folder (stage 3)
journal       what a long command has done, for the next run to go on from
scores        SI-SDR, SDR, PESQ, STOI of a data folder (stage 4); operations and energy
report        tables, curves and the listening page (stage 5)
"""

"""Speech separation with a spiking separator.

Corpora:
lists         MERL's mixture lists and active levels
locate        what a list names, as it lies on disk
census        files and hours on disk against what is known of WSJ0
speakers      sex of the talkers
activlev      active speech level (ITU-T P.56)
mixing        resampling, scaling and summing of one mixture
corpus        stage 0: a plan's mixtures on all cores
merl          WSJ0-2mix, or any corpus with lists in MERL's format
librimix      Libri2Mix
kaldi         data folders
audio         sound files; sphere: those of the LDC
parallel      a function over many items on all cores

Training:
config        an experiment's settings
data          segments of mixtures
network       the Conv-TasNet with a convertible separator
losses        SI-SDR, permutation invariant
module        the LightningModule
train         stages 1 and 2

Results:
separator     recordings in Python; streaming: how, block by block
separate_file one recording into files (recording, source_files, output_names)
separate_set  a data folder (stage 3)
cost          operations a second of audio
metrics       SI-SDR, SDR, PESQ, STOI of one mixture; score: of a data folder (stage 4)
results       what an experiment folder holds
report        stage 5: tables, curves, page (page_style, media)
"""

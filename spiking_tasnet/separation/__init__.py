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
audio         sound files of a corpus; sphere: those of the LDC
parallel      a function over many items on all cores

Recordings:
recording     a user's file, looked through once and read by blocks as one channel; channels: which
sound_stream  any file by blocks; formats: what is refused, and what to do; verdict: what a file lacks
layout        what lies in a file: lengths (by its header), mpeg and ogg (frames and pages), pieces (of it)
quiet         nothing is printed by libraries

Training:
config        an experiment's settings
data          segments of mixtures
network       the Conv-TasNet with a convertible separator
losses        SI-SDR, permutation invariant
module        the LightningModule
train         stages 1 and 2

Results:
separate      one recording; separate_set: a data folder (stage 3)
cost          operations a second of audio
metrics       SI-SDR, SDR, PESQ, STOI of one mixture; score: of a data folder (stage 4)
results       what an experiment folder holds
report        stage 5: tables, curves, page (page_style, media)
"""

"""Speech separation with a spiking separator.

Corpora:
lists         MERL's mixture lists; levels: the tables of active levels beside them
metadata      LibriMix's CSVs
names         names out of lists, checked; textfile: text files in any encoding
locate        what a list names, as it lies on disk
census        files and hours on disk against what is known of WSJ0
speakers      sex of the talkers
activlev      active speech level (ITU-T P.56, as VOICEBOX's activlev measures it)
mixing        resampling, scaling and summing of one mixture
corpus        stage 0: a plan's mixtures on all cores; unmixed: those that could not be made
merl          WSJ0-2mix, or any corpus with lists in MERL's format
librimix      Libri2Mix
kaldi         data folders; scp: their tables, paths and ids; pipes: audio from a command
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
separator     recordings in Python; streaming: how, block by block
separate_file one recording into files (recording, source_files, output_names)
separate_set  a data folder (stage 3)
journal       what a long command has done, for the next run to go on from
cost          operations a second of audio
metrics       SI-SDR, SDR, PESQ, STOI of one mixture; p862: PESQ of any length
estimates     separated audio of any system
score         a data folder (stage 4); cells: its text in a CSV
results       what an experiment folder holds
report        stage 5: tables, curves, page (page_style, media)
"""

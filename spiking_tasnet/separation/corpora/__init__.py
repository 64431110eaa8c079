"""Corpora of two-talker mixtures: lists, speech on disk, mixing.

merl_lists    MERL's mixture lists; levels: the tables of active levels beside them
metadata      LibriMix's CSVs
names         names out of lists, checked; textfile: text files in any encoding
locate        what a list names, as it lies on disk
census        files and hours on disk against what is known of WSJ0
genders       gender of the talkers
active_level  active speech level (ITU-T P.56, as VOICEBOX's activlev measures it)
mixing        resampling, scaling and summing of one mixture
plan          stage 0: a plan's mixtures on all cores; unmixed: those that could not be made
merl          WSJ0-2mix, or any corpus with lists in MERL's format
librimix      Libri2Mix
talkers       any folder of single-talker recordings; speech_cache: its training speech; on_the_fly: mixtures of it
kaldi         data folders; scp: their tables, paths and ids
"""

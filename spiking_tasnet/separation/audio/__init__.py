"""Sound files: those of corpora, and users' recordings of any kind.

files         sound files of a corpus, checked when read, written whole; sphere: those of the LDC
pipes         audio that a command writes
recording     a user's file, looked through once and read by blocks as one channel; channels: which
sound_stream  any file by blocks; formats: what is refused, and what to do; verdict: what a file lacks
layout        what lies in a file: lengths (by its header), mpeg and ogg (frames and pages), pieces (of it)
quiet         keeps libraries from printing
"""

"""The report of an experiment.

results       what an experiment folder holds
write         stage 5: RESULTS.md, results.json, curves and page
tables        RESULTS.md
curves        learning curves
page          the listening page (page_style); media: sounds and spectrograms inside it
"""

"""The report of an experiment.

results       what an experiment folder holds
write         stage 5: RESULTS.md, results.json, curves and page
tables        RESULTS.md
curves        learning curves
page          the listening page, laid out by page.html.j2; choice: its mixtures; media: its sounds and spectrograms
"""

"""Scores of separated speech, and what it costs.

metrics       SI-SDR, SDR, PESQ, STOI of one mixture; p862: PESQ of any length
estimates     separated audio of any system
score_set     a data folder (stage 4)
rows          scores of one mixture, and the CSV of a data folder; csv_file: CSVs in general
means         averages by the genders of the talkers
cost          operations and energy per second of audio
"""

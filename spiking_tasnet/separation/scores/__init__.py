"""Scores of separated speech, and what it costs.

metrics       SI-SDR, SDR, PESQ, STOI of one mixture; p862: PESQ of any length
estimates     separated audio of any system
score_set     a data folder (stage 4); cells: its text in a CSV
cost          operations a second of audio
"""

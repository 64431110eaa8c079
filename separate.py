#!/usr/bin/env python3
"""Separate the talkers of your own recordings: python separate.py mix.wav -o out/ (see --help)."""

import sys

sys.path.append(__file__.rpartition("/")[0] or ".")  # `python -P` leaves the script's folder out
from spiking_tasnet.cli.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(["separate", *sys.argv[1:]]))

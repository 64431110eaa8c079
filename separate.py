#!/usr/bin/env python3
"""Separate the talkers of your own recordings: python separate.py mix.wav -o out/ (see --help)."""

import sys

from spiking_tasnet.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["separate", *sys.argv[1:]]))

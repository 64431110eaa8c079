"""Build of spiking_tasnet: only the version, which the package states; everything else is in `pyproject.toml`."""

import re
from pathlib import Path

from setuptools import setup

PACKAGE = Path(__file__).parent / "spiking_tasnet" / "__init__.py"

setup(version=re.search(r'__version__ = "(.+)"', PACKAGE.read_text(encoding="utf-8"))[1])

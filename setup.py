"""Build and dependencies of spiking_tasnet; `constraints.txt` holds one set of versions that work together."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "spiking_tasnet/__init__.py").read_text(encoding="utf-8"))[1]

setup(
    name="spiking-tasnet",
    version=VERSION,
    description="Speech separation with a spiking separator, converted by progressive tandem learning",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["spiking_tasnet", "spiking_tasnet.*"]),
    package_data={"spiking_tasnet.snn.kernels": ["*.c"], "spiking_tasnet.models": ["*.pt", "README.md"]},
    install_requires=[
        # torchaudio's last release is 2.11. It names no torch in its requirements, so pip would pair it with any;
        # it is known to load here beside torch 2.11 (its own) and 2.12. Raise the bound after trying the next one.
        "torch>=2.11,<2.13",
        "torchaudio>=2.11",
        "pytorch-lightning>=2.5",
        "asteroid>=0.7",
        "numpy>=1.26",
        "scipy>=1.11",
        "soundfile>=0.12.1",
        "soxr>=0.3.7",
        "librosa>=0.10.2",
        "matplotlib>=3.8",
        "pillow>=10",
        "pesq>=0.0.4",  # built from source: needs a C compiler and Python's headers
        "pystoi>=0.4",
        "PyYAML>=6.0",
        "threadpoolctl>=3.1",
        "tqdm>=4.66",
    ],
    extras_require={
        "test": ["pytest>=8.0", "ruff>=0.9"],
        "vision": ["torchvision>=0.26"],
        "export": ["nir>=1.0"],
        # espeak-ng itself is GPL-3 and ships inside this package; only egs/mini-2mix needs it.
        "espeak": ["espeakng-loader>=0.2.4"],
    },
    entry_points={"console_scripts": ["spiking-tasnet = spiking_tasnet.cli.main:main"]},
    classifiers=[
        "Programming Language :: Python :: 3",
        "Programming Language :: C",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)

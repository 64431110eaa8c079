"""Check a Python that the user named in SPIKING_TASNET_PYTHON: its version, and the packages of pyproject.toml."""

import importlib
import os
import re
import sys

COMPILED = ("torch", "torchaudio", "soundfile", "pesq")  # of these, being there is not enough


def fault():
    """What is wrong with this Python; None if nothing is."""
    if sys.version_info < (3, 10):  # noqa: UP036 -- any Python may be named
        return f"Python {sys.version.split()[0]} found, 3.10 or newer expected"
    missing = [name for name in required() if not is_installed(name)]
    if missing:
        return f"it lacks {', '.join(missing)}"
    for name in COMPILED:
        try:
            importlib.import_module(name)
        except Exception as error:
            return f"{name} does not load ({' '.join(str(error).split())})"
    return None


def required():
    """Names of the packages that this project depends on."""
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pyproject.toml")
    with open(path, encoding="utf-8") as stream:  # tomllib is of Python 3.11
        (block,) = re.findall(r"^dependencies = \[\n(.*?)^\]", stream.read(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r'^ *"([A-Za-z0-9._-]+)', block, flags=re.MULTILINE)


def is_installed(name):
    """Whether a package is there, in whatever version."""
    from importlib import metadata  # of Python 3.8

    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    found = fault()
    if found:
        named = os.environ.get("SPIKING_TASNET_PYTHON", sys.executable)
        advice = "install the packages of pyproject.toml there, or unset it to have .venv made"
        sys.exit(f"tools/env.sh: error: SPIKING_TASNET_PYTHON={named}: {found}; {advice}")

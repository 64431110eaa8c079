"""`import spiking_tasnet`: quick, with seven names that are imported on first use."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import spiking_tasnet

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", spiking_tasnet.__all__)
def test_a_public_name_is_the_one_at_home(name):
    home = importlib.import_module(spiking_tasnet._HOMES[name])
    assert getattr(spiking_tasnet, name) is getattr(home, name)
    assert name in dir(spiking_tasnet)


def test_checkers_read_the_same_homes_as_python():
    tree = ast.parse((ROOT / "spiking_tasnet" / "__init__.py").read_text())
    (checking,) = (node for node in tree.body if isinstance(node, ast.If))
    nodes = [node for node in ast.walk(checking) if isinstance(node, ast.ImportFrom)]
    assert {alias.name: node.module for node in nodes for alias in node.names} == spiking_tasnet._HOMES
    assert sorted(spiking_tasnet._HOMES) == sorted(spiking_tasnet.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Seperator'"):
        _ = spiking_tasnet.Seperator


def test_import_loads_no_torch():
    code = (
        "import sys, spiking_tasnet; print('torch' in sys.modules, dir(spiking_tasnet) == sorted(dir(spiking_tasnet)))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout == "False True\n", result.stderr


def test_the_citation_names_this_version():
    (version,) = re.findall(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), flags=re.MULTILINE)
    assert version == spiking_tasnet.__version__

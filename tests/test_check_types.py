""".ci/check_types.py: what fails, what is a note, and which errors count."""

import importlib.util
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def check_types():
    spec = importlib.util.spec_from_file_location("check_types", ROOT / ".ci" / "check_types.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def diagnostic(file, rule="reportCallIssue", severity="error", message="a\n  b"):
    place = {"start": {"line": 4}}
    return {"file": str(ROOT / file), "severity": severity, "rule": rule, "message": message, "range": place}


def test_errors_are_counted_by_folder(check_types):
    found = [
        diagnostic("spiking_tasnet/snn/layers.py"),
        diagnostic("spiking_tasnet/snn/kernels/event.py"),
        diagnostic("spiking_tasnet/files.py"),
        diagnostic("spiking_tasnet/files.py", severity="warning"),
        diagnostic(
            "spiking_tasnet/snn/spikes.py", "reportMissingImports", message='Import "triton" could not be found'
        ),
        diagnostic(
            "spiking_tasnet/snn/spikes.py", "reportMissingImports", message='Import "spiking_tasnet.no" not found'
        ),
    ]
    errors = check_types.relevant_errors(found)
    assert Counter(folder for folder, _ in errors) == {"snn": 3, ".": 1}
    assert errors[1] == ("snn", "spiking_tasnet/snn/kernels/event.py:5: a b [reportCallIssue]")


def test_only_more_errors_fail(check_types):
    lines, passes = check_types.compare(Counter(snn=2, ptl=1), {"snn": 2, "ptl": 4}, [])
    assert passes and lines == ["types: note: ptl: 1 errors, 4 allowed; lower it in .ci/check_types.py"]
    lines, passes = check_types.compare(Counter(snn=3, new=1), {"snn": 2}, [])
    assert not passes and [line.split(";")[0] for line in lines] == [
        "types: new: 1 errors, 0 allowed",
        "types: snn: 3 errors, 2 allowed",
    ]


def test_other_stubs_are_no_failure(check_types):
    installed = importlib.metadata.version("torch").split("+")[0]
    text = f"# comment\ntorch=={installed}; python_version > '3'\nno-such-package==1\nnumpy==0.0.1\n"
    (other,) = check_types.other_versions(text)
    assert other.startswith("numpy ")
    lines, passes = check_types.compare(Counter(snn=3), {"snn": 2}, [other])
    assert passes and "not a failure" in lines[-1]


def test_the_pinned_checker_is_the_one_in_pyproject():
    requirement = "basedpyright==1.40.2"
    assert requirement in (ROOT / "pyproject.toml").read_text()
    assert requirement in (ROOT / "constraints.txt").read_text().splitlines()

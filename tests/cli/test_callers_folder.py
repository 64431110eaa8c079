"""Nothing that lies in the folder a command is called from is run."""

import os
import shutil
import subprocess
import sys

import pytest
from stage_script import ROOT
from tiny_corpus import write_corpus
from tiny_images import write_idx

TRAPS = (
    "csv",
    "random",
    "numpy",
    "torch",
    "json",
    "socket",
    "pickle",
    "tempfile",
    "struct",
    "yaml",
    "tqdm",
    "ensurepip",
)


@pytest.fixture
def traps(tmp_path):
    """A folder whose modules leave a trace, and an environment for what is called there."""
    folder = tmp_path / "traps"
    folder.mkdir()
    for name in TRAPS:
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'fired')!r}, 'a').write('{name} ')\n")
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    environment |= {"SPIKING_TASNET_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}

    def call(*command, **extra):
        done = subprocess.run(command, cwd=folder, env=environment | extra, capture_output=True, text=True)
        fired = tmp_path / "fired"
        assert not fired.exists(), fired.read_text()
        return done

    return call


def test_the_traps_work(traps):
    with pytest.raises(AssertionError, match="random"):
        traps(sys.executable, "-c", "import random")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("path", [{}, {"PYTHONPATH": "::/nowhere:"}])
def test_run_sh_and_the_check_of_a_foreign_environment(traps, tmp_path, path):
    write_idx(tmp_path / "source")
    places = ["--data-dir", str(tmp_path / "data"), "--exp-dir", str(tmp_path / "exp")]
    run_sh = ROOT / "recipes/mnist/run.sh"
    done = traps("bash", str(run_sh), "--source", str(tmp_path / "source"), "--stop-stage", "0", *places, **path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_module_and_the_processes_it_starts(traps, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", {"tr": 4, "cv": 2, "tt": 2}, seconds=0.5)
    options = ["--wsj0", str(corpus), "--mix-lists", str(corpus), "--data-dir", str(tmp_path / "data"), "--jobs", "2"]
    done = traps(sys.executable, "-m", "spiking_tasnet", "mix", *options, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/tt/wav.scp").exists()


@pytest.mark.parametrize("safe", [[], ["-P"]])
def test_separate_py(traps, safe):
    if safe and sys.version_info < (3, 11):
        pytest.skip("-P is of Python 3.11")
    done = traps(sys.executable, *safe, str(ROOT / "separate.py"), "--help")
    assert done.returncode == 0 and "separate" in done.stdout

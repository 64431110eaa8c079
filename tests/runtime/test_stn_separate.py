"""The command stn-separate, built by tools/build_runtime.sh, also with sanitizers."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_runtime import c_separator, converted, noise

from spiking_tasnet.runtime.stn import pack_separator, write_stn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import fuzz_runtime  # noqa: E402

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
needs_a_compiler = pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed")


@pytest.fixture(scope="module", params=COMPILERS or ["none"])
def command(request, tmp_path_factory):
    if not COMPILERS:
        pytest.skip("neither gcc nor clang is installed")
    folder = tmp_path_factory.mktemp(request.param)
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "CC": request.param, "CFLAGS": "-O2"}
    done = subprocess.run(
        [ROOT / "tools" / "build_runtime.sh", folder], env=environment, capture_output=True, text=True, check=True
    )
    assert "warning" not in done.stderr
    return folder / "stn-separate"


@pytest.fixture(scope="module")
def network():
    return converted()


def separated(command, folder, samples, subtype, rate=8000):
    soundfile.write(folder / "in.wav", samples, rate, subtype=subtype)
    outputs = [folder / "1.wav", folder / "2.wav"]
    done = subprocess.run(
        [command, "-m", folder / "sep.stn", folder / "in.wav", *outputs], capture_output=True, text=True, check=False
    )
    return done, outputs


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT"])
def test_it_gives_the_networks_talkers_at_their_level(command, network, subtype, tmp_path):
    write_stn(tmp_path / "sep.stn", network)
    samples = np.stack([noise(9001), noise(9001, seed=1)], axis=1)
    done, outputs = separated(command, tmp_path, samples, subtype)
    assert done.returncode == 0 and done.stdout.startswith("1.13 s of audio in ") and not done.stderr
    mixture = soundfile.read(tmp_path / "in.wav", dtype="float32")[0].mean(axis=1)
    separator = c_separator(pack_separator(network))
    expected = np.concatenate([separator.push(mixture), separator.finish()], axis=1)
    total = np.zeros(len(mixture))
    for path, source in zip(outputs, expected, strict=True):
        found, rate = soundfile.read(path)
        gain = found @ source / (source @ source)
        assert rate == 8000 and np.abs(found - gain * source).max() < 1e-5
        total += found
    assert total @ (mixture - total) >= -1e-3 * (total @ total)  # no gain for all could bring the sum nearer
    assert not list(tmp_path.glob("*.part"))


def test_what_is_wrong_is_said_in_one_line_and_nothing_is_left(command, network, tmp_path):
    write_stn(tmp_path / "sep.stn", network)
    done, outputs = separated(command, tmp_path, noise(2000), "PCM_16", rate=16000)
    assert done.returncode == 1 and "its sample rate is not the model's" in done.stderr
    (tmp_path / "sep.stn").write_bytes(pack_separator(network)[:-1])
    done, _ = separated(command, tmp_path, noise(2000), "PCM_16")
    assert done.returncode == 1 and "it is not as long as it says" in done.stderr and done.stderr.count("\n") == 1
    (tmp_path / "in.wav").write_bytes(b"RIFF")
    assert subprocess.run([command, "a.wav"], capture_output=True, check=False).returncode == 2
    assert not any(path.exists() for path in outputs) and not list(tmp_path.glob("*.part"))


@needs_a_compiler
def test_no_sanitizer_finds_anything_in_mutated_models_and_sounds(tmp_path, capsys):
    """A short run; what is not found in it, tools/fuzz_runtime.py looks for."""
    try:
        fuzz_runtime.build(tmp_path)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the compiler has no sanitizers: {error.stderr.decode()[-200:]}")
    assert fuzz_runtime.main(["--count", "40", "--seed", "1", "--keep", str(tmp_path / "kept")]) == 0
    separated_, refused = (int(part.split()[0]) for part in capsys.readouterr().out.split(", ")[:2])
    assert separated_ > 3 and refused > 10

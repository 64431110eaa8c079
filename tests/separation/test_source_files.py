import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from spiking_tasnet.separation import source_files
from spiking_tasnet.separation.source_files import SourceFiles, quantised


@pytest.fixture
def targets(tmp_path):
    return [tmp_path / "out" / f"a_s{place}.wav" for place in (1, 2)]


def write(targets, sources, subtype="PCM_16", rate=44100):
    with SourceFiles(targets, rate, subtype) as files:
        for start in range(0, sources.shape[1], 7000):
            files.push(sources[:, start : start + 7000])
        return files.finish()


@pytest.mark.parametrize("subtype, step", [("PCM_16", 2**-15), ("PCM_24", 2**-23)])
def test_samples_are_rounded_to_the_nearest_level(targets, subtype, step):
    sources = np.random.default_rng(0).uniform(-0.999, 0.999, (2, 100_000)).astype(np.float32)
    assert write(targets, sources, subtype) == []
    for target, source in zip(targets, sources, strict=True):
        info = soundfile.info(target)
        assert (info.frames, info.samplerate, info.channels, info.subtype) == (100_000, 44100, 1, subtype)
        assert np.abs(soundfile.read(target)[0] - source).max() <= step / 2 + 1e-8
    assert quantised(np.array([1.0, -1.0, 0.0]), "PCM_16").tolist() == [32767, -32768, 0]


def test_one_gain_keeps_all_sources_within_full_scale(targets):
    sources = np.array([[0.5, -4.0, 0.1], [1.0, 0.0, 2.0]], np.float32)
    write(targets, sources)
    for target, source in zip(targets, sources, strict=True):
        np.testing.assert_allclose(soundfile.read(target)[0], source / 4, atol=2**-15)


def test_sources_that_are_silent_in_their_format_are_told(targets):
    sources = np.stack([np.full(100, 1e-6), np.full(100, 0.1)]).astype(np.float32)
    assert write(targets, sources) == targets[:1]
    assert write(targets, sources, "PCM_24") == []


def test_a_recording_too_long_for_a_wav_header_is_written_as_rf64(targets, monkeypatch):
    monkeypatch.setattr(source_files, "LARGEST_WAV", 10_000)
    sources = np.full((2, 6000), 0.25, np.float32)
    write(targets, sources)
    assert soundfile.info(targets[0]).format == "RF64"
    np.testing.assert_array_equal(soundfile.read(targets[1])[0], sources[1])


def test_nothing_is_left_of_what_was_not_finished(targets):
    with pytest.raises(RuntimeError, match="midway"), SourceFiles(targets, 8000) as files:
        files.push(np.ones((2, 1000), np.float32))
        raise RuntimeError("midway")
    assert list(targets[0].parent.iterdir()) == []


def test_a_process_that_is_killed_leaves_nothing(tmp_path):
    code = (
        "import sys, time, numpy as np; from pathlib import Path\n"
        "from spiking_tasnet.separation.source_files import SourceFiles\n"
        "files = SourceFiles([Path(sys.argv[1]) / 'a_s1.wav'], 8000)\n"
        "files.push(np.ones((1, 100000), np.float32)); print('pushed', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "pushed\n"
        process.send_signal(signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from spiking_tasnet.separation.source_files import SourceFiles

folder = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in (10000, 40000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        with SourceFiles([folder / "a_s1.wav"], 8000, "PCM_24") as files:
            files.push(np.ones((1, limit // 4 if limit > 20000 else 9000), np.float32))
            files._waiting.flush()
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
            files.finish()
    except OSError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_a_disk_that_fills_up_is_told_and_nothing_stays(tmp_path):
    """A limit on the size of a file stands for the full disk: while blocks wait, and while the result is written."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True)
    first, second = done.stdout.splitlines()
    assert "cannot be written: the file would be larger than is allowed" in first
    assert f"{os.path.join(tmp_path, 'a_s1.wav')}: cannot be written" in second
    assert done.stderr == "" and list(tmp_path.iterdir()) == []

"""`spiking-tasnet stream` as a process in a pipe."""

import io
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from tiny_runtime import c_separator, converted, noise
from tiny_separator import CAUSAL, few_bit_network, tiny_network

from spiking_tasnet.cli.main import main
from spiking_tasnet.models import NETWORKS
from spiking_tasnet.runtime.stn import pack_separator, write_stn
from spiking_tasnet.separation.audio.pcm_pipe import PcmReader
from spiking_tasnet.separation.packed import pack


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "sep.stn"
    network = converted()
    write_stn(path, network)
    c_separator(pack_separator(network))
    return path


@pytest.fixture
def stream(model, tmp_path, monkeypatch, capfdbinary):
    """What the command writes to standard output and to stderr, given some bytes on standard input."""

    def run(data, *options):
        (tmp_path / "in").write_bytes(data)
        with open(tmp_path / "in", encoding="latin-1") as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            assert main(["stream", "--model", str(model), *options]) == 0
        return capfdbinary.readouterr()

    return run


def test_raw_samples_of_two_channels_give_one_channel_a_talker(stream):
    mixture = np.rint(noise(12000) * 32768).astype("<i2")
    out, told = stream(np.repeat(mixture, 2).tobytes() + b"\x01", "--channels", "2")
    assert b"1.5 s of audio, real-time factor" in told and b"latency 25 ms" in told
    sources = np.frombuffer(out, "<i2").reshape(-1, 2)
    assert sources.shape == (12000, 2) and sources[6000:].std() > 10


def test_wav_gives_wav_of_the_same_rate_and_length(stream):
    file = io.BytesIO()
    soundfile.write(file, noise(22050), 22050, subtype="FLOAT", format="WAV")
    sources, rate = soundfile.read(io.BytesIO(stream(file.getvalue())[0]))
    assert sources.shape == (22050, 2) and rate == 22050 and np.abs(sources).max() > 0.001


def test_a_causal_network_in_the_box_is_late_by_one_filter(stream, tmp_path, monkeypatch):
    live = tmp_path / "live.pt"
    pack(live, few_bit_network(config=CAUSAL), tiny_network(config=CAUSAL), {})
    monkeypatch.setitem(NETWORKS, "live", live)
    monkeypatch.chdir(tmp_path)
    mixture = np.rint(noise(4000) * 32768).astype("<i2")
    out, told = stream(mixture.tobytes(), "--model", "live")
    assert b"latency 22 ms, 2 ms of it the network's" in told  # 16 samples of 8 kHz, and two blocks of 10 ms
    assert len(out) == 2 * mixture.nbytes


def test_a_reader_that_goes_away_ends_it_quietly(model):
    command = [sys.executable, "-m", "spiking_tasnet", "stream", "--model", model]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(bytes(8000))  # gives less than a pipe holds
        process.stdin.flush()
        process.stdout.read(100)
        process.stdout.close()
        try:
            process.stdin.write(bytes(8000))
            process.stdin.close()
        except BrokenPipeError:
            pass
        process.stdin = None
        assert process.stderr.read() == b"" and process.wait() == 0


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"RIFF" + bytes(8), "RIFF that is no WAVE"),
        (b"RIFFxxxxWAVE", "a WAV header without end"),
        (b"RIFFxxxxWAVEdata" + bytes(4), "samples without a format"),
        (b"RIFFxxxxWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8), "8 bits and 1 channels found"),
    ],
)
def test_other_wav_files_are_refused(data, told):
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)
    with pytest.raises(ValueError, match=told):
        PcmReader(read, 8000)
    os.close(read)


def test_options_out_of_range_are_refused(model, capsys):
    assert main(["stream", "--model", str(model), "--rate", "10"]) == 1
    assert "--rate 10 and --channels 1 found" in capsys.readouterr().err


def test_a_file_of_the_runtime_is_streamed_without_torch(model):
    code = """
import sys
from spiking_tasnet.cli.main import main
assert main(["stream", "--model", sys.argv[1]]) == 0
sys.stderr.write(str("torch" in sys.modules))"""
    samples = (noise(4000) * 32767).astype("<i2")
    command = [sys.executable, "-c", code, str(model)]
    done = subprocess.run(command, input=samples.tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 2 * samples.nbytes and done.stderr.endswith(b"False")

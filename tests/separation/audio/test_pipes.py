"""Audio from the commands of an scp, without a shell."""

import shlex
import struct

import numpy as np
import pytest
import soundfile

from spiking_tasnet.separation.audio.pipes import Pipe, output_of, read_source, split_programs

RATE = 8000
SAMPLES = np.linspace(-0.5, 0.5, 2000, dtype=np.float32)


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "a b.wav"
    soundfile.write(path, SAMPLES, RATE, subtype="FLOAT")
    return path


def test_a_command_s_output_is_read(wav):
    for command in (f"cat {shlex.quote(str(wav))}", f"cat '{wav}' | cat | cat -"):
        samples, rate = read_source(Pipe(command), RATE)
        np.testing.assert_array_equal(samples, SAMPLES)
        assert rate == RATE
    np.testing.assert_array_equal(read_source(wav)[0], SAMPLES)


def test_a_header_of_unknown_length_is_read(wav, tmp_path):
    """As programs write it that cannot go back to the header."""
    data = bytearray(wav.read_bytes())
    place = data.index(b"data") + 4
    data[4:8] = data[place : place + 4] = struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "stream.wav").write_bytes(data)
    np.testing.assert_array_equal(read_source(Pipe(f"cat {tmp_path}/stream.wav"))[0], SAMPLES)


@pytest.mark.parametrize(
    "command",
    [
        "cat x > y",
        "cat < x",
        "cat x; rm y",
        "cat x && rm y",
        "cat $HOME",
        "cat `ls`",
        "cat $(ls)",
        "(cat x)",
        "cat x &",
    ],
)
def test_what_needs_a_shell_is_refused(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "y").write_text("kept")
    with pytest.raises(ValueError, match="needs a shell; programs joined by"):
        output_of(command)
    assert (tmp_path / "y").read_text() == "kept"


def test_words_are_handed_on_as_they_are(capfd):
    assert split_programs("a 'b;c' \"d | e\" f=g -h #i | j") == [["a", "b;c", "d | e", "f=g", "-h", "#i"], ["j"]]
    assert output_of("echo * ~") == b"* ~\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("no-such-program x", "no-such-program not found; install it"),
        ("cat /nonexistent.wav", r"cat failed \(exit code 1\); run it by hand"),
        ("cat /nonexistent.wav | cat", r"cat failed \(exit code 1\)"),
        ("echo hello", "its output cannot be read as audio"),
        ("cat | | cat", "no program found on one side"),
        ("", "no program found"),
        ("cat 'x", "no closing quotation found in a command"),
    ],
)
def test_failures_are_one_line_that_names_the_command(command, message):
    with pytest.raises((ValueError, OSError), match=message) as error:
        read_source(Pipe(command))
    assert f"`{command} |`" in str(error.value) and "\n" not in str(error.value)


def test_rate_and_channels_are_checked(wav, tmp_path):
    with pytest.raises(ValueError, match="8000 Hz found, 16000 Hz expected"):
        read_source(Pipe(f"cat '{wav}'"), 16000)
    soundfile.write(tmp_path / "2.wav", np.stack([SAMPLES] * 2, 1), RATE)
    with pytest.raises(ValueError, match="2 channels found, 1 expected"):
        read_source(Pipe(f"cat {tmp_path}/2.wav"))

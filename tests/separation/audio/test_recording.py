"""Users' files of every kind: read, or refused in one line that names the file and says what to do."""

import builtins
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sound_bytes import RATE, edited, sound, write_kind

from spiking_tasnet.separation.audio import sound_stream
from spiking_tasnet.separation.audio.files import read_audio, read_mono
from spiking_tasnet.separation.audio.pieces import Pieces
from spiking_tasnet.separation.audio.recording import Recording, expand

ROOT = Path(__file__).parents[3]


def refusal(path, kind=ValueError):
    """The one line with which a file is refused, the same for recordings and for corpora."""
    texts = []
    for way in (Recording.open, read_audio):
        with pytest.raises(kind) as caught:
            way(path)
        texts.append(str(caught.value))
    assert texts[0] == texts[1] and len(texts[0].splitlines()) == 1
    return texts[0]


def write(path, samples=None, **options):
    soundfile.write(path, sound() if samples is None else samples, options.pop("rate", RATE), **options)
    return path


@pytest.mark.parametrize(
    "name, options, fine",
    [
        ("a.wav", {"subtype": "PCM_16"}, False),
        ("a.wav", {"subtype": "PCM_U8"}, False),
        ("a.wav", {"subtype": "PCM_24"}, True),
        ("a.wav", {"subtype": "PCM_32"}, True),
        ("a.wav", {"subtype": "FLOAT"}, True),
        ("a.wav", {"subtype": "DOUBLE"}, True),
        ("a.wav", {"subtype": "ALAW"}, False),
        ("a.wav", {"subtype": "G721_32"}, False),
        ("a.wav", {"subtype": "GSM610"}, False),
        ("a.flac", {"subtype": "PCM_24"}, True),
        ("a.caf", {"subtype": "ALAC_16"}, False),
        ("a.caf", {"subtype": "ALAC_24"}, True),
        ("a.ogg", {}, False),
        ("a.voc", {}, False),
        ("a.pvf", {}, False),
    ],
)
def test_kinds_of_samples(tmp_path, name, options, fine):
    path = write(tmp_path / name, **options)
    recording = Recording.open(path)
    assert (recording.path, recording.rate, recording.n_chan, recording.fine) == (path, RATE, 1, fine)
    assert abs(recording.n_samples - 2 * RATE) < 200 and recording.warnings == [] and not recording.silent


@pytest.mark.parametrize("decibels, fine", [(-40, False), (-55, True), (-80, True)])
@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_quiet_files_deserve_more_bits(tmp_path, decibels, fine, offset):
    loud = sound() / np.abs(sound()).max()
    recording = Recording.open(write(tmp_path / "a.wav", 10 ** (decibels / 20) * loud + offset, subtype="PCM_16"))
    assert recording.fine == fine and not recording.silent


@pytest.mark.parametrize("level", [0.0, 0.25, -1.0])
def test_what_never_changes_is_silent(tmp_path, level):
    recording = Recording.open(write(tmp_path / "a.wav", np.full(3000, level)))
    assert recording.silent and not recording.fine


@pytest.mark.parametrize("n_samples", [1, 7, 5000, 32000, 10**9])
def test_blocks_of_any_size_are_the_file(tmp_path, n_samples):
    path = write(tmp_path / "a.wav", sound()[:7001], subtype="FLOAT")
    blocks = list(Recording.open(path).blocks(n_samples))
    assert all(len(block) == min(n_samples, 7001) for block in blocks[:-1]) and blocks[0].dtype == np.float32
    np.testing.assert_array_equal(np.concatenate(blocks), soundfile.read(path, dtype="float32")[0])


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path):
    recording = Recording.open(write(tmp_path / "a.wav"))
    write(tmp_path / "a.wav", sound()[:100])
    with pytest.raises(OSError, match="a.wav: changed while it was read"):
        list(recording.blocks(1000))
    write(tmp_path / "a.wav", rate=8000)
    with pytest.raises(OSError, match="a.wav: changed while it was read"):
        list(recording.blocks(1000))


def test_the_first_bad_sample_is_told(tmp_path):
    samples = np.zeros((40000, 2))
    for bad, text in (
        (np.nan, "NaN or infinite samples"),
        (-np.inf, "NaN or infinite samples"),
        (3e38, "samples of 3e"),
    ):
        samples[24000, 1] = bad
        path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
        assert f"a.wav: {text}" in refusal(path) and "found from 1.500 s on (channel 2)" in refusal(path)


def test_integers_as_floats_are_read(tmp_path):
    path = write(tmp_path / "a.wav", 2.0**31 * sound(), subtype="FLOAT")
    recording = Recording.open(path)
    assert np.abs(next(recording.blocks(1000))).max() > 1e7 and not recording.silent


@pytest.mark.parametrize("rate", [1, 8, 999, 1_000_001, 192_000_000])
def test_absurd_rates(tmp_path, rate):
    text = refusal(edited(write(tmp_path / "a.wav"), 24, rate.to_bytes(4, "little")))
    assert f"a rate of {rate} Hz found, 1000 to 1000000 expected" in text


@pytest.mark.parametrize("rate", [1000, 44101, 96001, 1_000_000])
def test_unusual_rates(tmp_path, rate):
    assert Recording.open(edited(write(tmp_path / "a.wav"), 24, rate.to_bytes(4, "little"))).rate == rate


@pytest.mark.parametrize("n_chan", [1024, 1025, 65535, 0])
def test_absurd_numbers_of_channels(tmp_path, n_chan):
    path = edited(write(tmp_path / "a.wav"), 22, n_chan.to_bytes(2, "little"))
    if n_chan == 1024:
        assert Recording.open(path).n_chan == 1024
    else:
        assert "a.wav: cannot be read as audio" in refusal(path)


@pytest.mark.parametrize(
    "name, head",
    [
        ("a.m4a", b"\0\0\0\x20ftypM4A "),
        ("a.mp4", b"\0\0\0\x18ftypmp42"),
        ("a.mov", b"\0\0\0\x08wide\0\0\0\0mdat"),
        ("a.3gp", b"\0\0\0\x18ftyp3gp4"),
        ("a.aac", b"\xff\xf1\x50\x80\x2e\x7f\xfc"),
        ("a.wma", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9"),
        ("a.webm", b"\x1a\x45\xdf\xa3\x9f"),
        ("a.mkv", b"\x1a\x45\xdf\xa3\xa3"),
        ("a.amr", b"#!AMR\n"),
        ("a.wv", b"wvpk"),
        ("a.m4a", b"\x01\x02\x03"),  # by its suffix
        ("a.wav", b"\0\0\0\x20ftypM4A "),  # by its content
        ("no suffix", b"\x1a\x45\xdf\xa3\x9f"),
    ],
)
def test_what_only_ffmpeg_reads(tmp_path, name, head):
    path = tmp_path / name
    path.write_bytes(head + np.random.default_rng(0).bytes(500))
    target = tmp_path / "a-converted.wav" if name == "a.wav" else path.with_suffix(".wav")
    assert refusal(path).endswith(f"; ffmpeg -i '{path}' '{target}'")


@pytest.mark.parametrize("name", ["it's.m4a", "-i.m4a", "a b;$(x).m4a", "caf\udce9.m4a", "\u00e9\n.m4a"])
def test_the_ffmpeg_command_can_be_pasted(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    command = refusal(Path(name)).rpartition("expected; ")[2]
    script = f"ffmpeg() {{ printf '%s\\0' \"$@\"; }}; {command}"
    given = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout.split(b"\0")
    prefix = "./" if name.startswith("-") else ""
    assert given[:2] == [b"-i", os.fsencode(prefix + name)] and given[2].endswith(b".wav")


@pytest.mark.parametrize("name", ["a.raw", "a.pcm", "a.vox", "a.gsm", "a.ul"])
def test_samples_without_a_header(tmp_path, name):
    (tmp_path / name).write_bytes(np.random.default_rng(0).bytes(4000))
    assert "without a header" in refusal(tmp_path / name)
    assert f"ffmpeg -f s16le -ar 16000 -ac 1 -i '{tmp_path / name}'" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.au", "a.snd", "a.txt", "a.ogg"])
def test_text_is_no_sound_whatever_its_name(tmp_path, name):
    (tmp_path / name).write_text("Grüße\n" * 2000, encoding="utf-8")
    assert f"{name}: cannot be read as audio (it is text)" in refusal(tmp_path / name)


def test_what_is_no_file(tmp_path):
    assert "a folder found" in refusal(tmp_path)
    (tmp_path / "a.wav").touch()
    assert "a.wav: an empty file found" in refusal(tmp_path / "a.wav")
    (tmp_path / "link.wav").symlink_to(tmp_path / "gone.wav")
    assert "gone.wav found, which is not there" in refusal(tmp_path / "link.wav", FileNotFoundError)
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    assert "loop.wav: cannot be read (too many levels" in refusal(tmp_path / "loop.wav", OSError)
    assert "no such file" in refusal(tmp_path / "absent.wav", FileNotFoundError)
    assert "not a directory" in refusal(tmp_path / "a.wav" / "b.wav", OSError)
    assert "too long" in refusal(tmp_path / ("x" * 300), OSError)
    assert "no such file" in refusal(tmp_path / "a\0.wav", FileNotFoundError)
    assert refusal(Path("-"), FileNotFoundError).startswith("-: standard input cannot be read twice")


def test_nothing_waits_for_a_pipe_or_a_device(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.wav")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)  # such a name may only be short
        listener.bind("socket.wav")
    began = time.monotonic()
    assert "pipe.wav: a pipe found, which cannot be read twice" in refusal(tmp_path / "pipe.wav")
    assert "a socket found" in refusal(tmp_path / "socket.wav")
    assert "a device found" in refusal(Path("/dev/null"))
    assert time.monotonic() - began < 5


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_is_not_ours(tmp_path):
    path = write(tmp_path / "a.wav")
    path.chmod(0)
    assert "permission denied" in refusal(path, PermissionError)


def test_a_refusal_of_the_system_is_one_line(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "a.wav")
    monkeypatch.setattr(builtins, "open", refuse)
    text = refusal(path, PermissionError)
    monkeypatch.undo()
    assert text == f"{path}: cannot be read (permission denied); change its permissions"


@pytest.mark.parametrize("name", [b"caf\xe9.wav", b"new\nline.wav", b"\x1b[31mred.wav", "é 日本.wav".encode()])
def test_names_of_any_bytes_are_read_and_printed(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    path.write_text("no sound")
    text = refusal(path)
    assert text.isprintable() and text.encode("utf-8")
    path.unlink()
    write(tmp_path / "a.wav").rename(path)
    assert Recording.open(path).n_samples == 2 * RATE and read_mono(path)[0].shape == (2 * RATE,)


def test_a_disk_that_fails_is_no_end_of_the_sound(tmp_path, monkeypatch):
    class Failing(Pieces):
        def _take(self, number, view):
            if self.tell() > 20000:
                raise OSError(5, "Input/output error")
            return super()._take(number, view)

    monkeypatch.setattr(sound_stream, "Pieces", Failing)
    path = edited(write(tmp_path / "a.wav"), 40, bytes(4))
    assert "a.wav: cannot be read (input/output error); copy it to another disk" in refusal(path, OSError)


def test_ctrl_c_inside_the_library_is_passed_on(tmp_path, monkeypatch):
    class Interrupted(Pieces):
        def _take(self, number, view):
            raise KeyboardInterrupt

    monkeypatch.setattr(sound_stream, "Pieces", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        Recording.open(edited(write(tmp_path / "a.wav"), 40, bytes(4)))


def test_files_are_closed(tmp_path):
    paths = [write_kind(tmp_path, kind) for kind in ("wav", "mp3", "ogg")]
    paths.append(edited(write(tmp_path / "open.wav"), 40, bytes(4)))
    (tmp_path / "text.wav").write_text("no sound")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for path in paths:
        next(Recording.open(path).blocks(100))
    refusal(tmp_path / "text.wav")
    assert before == (len(os.listdir("/proc/self/fd")) if before else 0)


def test_a_folder_is_its_sound_files(tmp_path):
    for name in ("b.wav", "a.FLAC", ".hidden.wav", "._c.wav", "notes.txt", "d.m4a", "inner.wav/e.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "round").symlink_to(tmp_path)
    single = tmp_path / "inner.wav" / "e.wav"
    files = [tmp_path / name for name in ("a.FLAC", "b.wav", "d.m4a")]
    assert expand([single, tmp_path, "absent.wav"]) == [single, *files, Path("absent.wav")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: a folder without sound files found"):
        expand([tmp_path / "empty"])


MEASURE = """
import sys
from pathlib import Path
from spiking_tasnet.separation.audio.recording import Recording
recording = Recording.open(sys.argv[1])
print(sum(len(block) for block in recording.blocks(1 << 16)) == recording.n_samples)
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_does_not_grow_with_the_file(tmp_path):
    peaks = []
    for seconds in (10, 200):
        path = write(tmp_path / "a.wav", np.zeros((1, 2)), rate=48000)
        n_bytes = seconds * 48000 * 4
        edited(path, 4, (n_bytes + 36).to_bytes(4, "little"))
        edited(path, 40, n_bytes.to_bytes(4, "little"))
        os.truncate(path, 44 + n_bytes)  # a hole, which takes no disk
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(path)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        right, peak = done.stdout.split()
        assert right == "True"
        peaks.append(int(peak) / 1024)
    assert peaks[1] < peaks[0] + 5, f"{peaks} MiB"

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spiking_tasnet.files import (
    check_writable,
    printable,
    read_json,
    remove_leftovers,
    whole_file,
    write_error,
    write_json,
    write_text,
)


def test_a_failed_write_leaves_the_older_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError, match="midway"), whole_file(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("midway")
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_folders_are_made_and_the_suffix_is_kept(tmp_path):
    with whole_file(tmp_path / "new" / "a.wav") as temporary:
        assert temporary.parent == tmp_path / "new" and temporary.suffix == ".wav"
        temporary.write_bytes(b"x")
    assert (tmp_path / "new" / "a.wav").read_bytes() == b"x"


def test_any_name_can_be_printed_in_one_line():
    assert printable("a b/é日.wav") == "a b/é日.wav"
    assert printable(os.fsdecode(b"caf\xe9\n\x1b[0m.wav")) == r"caf\xe9\n\x1b[0m.wav"


def test_json(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json") == {"b": [1, 2.5, None]}
    (tmp_path / "a.json").write_text('{"b": ')
    with pytest.raises(ValueError, match="a.json: not a JSON file"):
        read_json(tmp_path / "a.json")


def test_an_error_without_a_name_gets_that_of_the_file(tmp_path):
    with pytest.raises(OSError, match="a.txt") as found, whole_file(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert found.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="^something said in words$"), whole_file(tmp_path / "a.txt"):
        raise OSError("something said in words")


@pytest.mark.parametrize("durable", [False, True])
def test_what_took_long_is_on_the_disk_before_it_has_its_name(durable, tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(os, "fsync", lambda handle: done.append(os.fstat(handle).st_ino))
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("rename"), replace(*names)))
    write_text(tmp_path / "a.txt", "x", durable=durable)
    assert (tmp_path / "a.txt").read_text() == "x"
    synced = [(tmp_path / "a.txt").stat().st_ino, "rename", tmp_path.stat().st_ino]
    assert done == (synced if durable else ["rename"])


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    code = (
        "import os, signal, sys\n"
        "from spiking_tasnet.files import whole_file\n"
        "with whole_file(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.txt")], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    remove_leftovers(tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np, torch
from spiking_tasnet.files import check_writable, read_json, whole_file, write_error, write_json, write_text
from spiking_tasnet.separation.audio.files import write_audio
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import TasNet, save_model

folder = Path(sys.argv[1])
small = TasNet(ModelConfig(n_filters=64, bn_chan=8, hid_chan=8, n_blocks=1))
writers = [
    lambda: write_text(folder / "a.txt", "x" * 30000),
    lambda: write_audio(folder / "a.wav", np.ones(30000) / 2, 8000),
    lambda: write_audio(folder / "b.wav", np.ones(30000), 8000, subtype="FLOAT"),
    lambda: save_model(folder / "model.pt", small),
]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
for number, writer in enumerate(writers):
    try:
        writer()
    except (OSError, ValueError) as error:
        print(number, type(error).__name__)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_no_half_file_survives_a_disk_that_fills_up(tmp_path):
    """A limit on the size of a file stands for the full disk: the write fails in the same place."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["0", "1", "2", "3"], done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_nearly_fills_the_disks_limit_can_be_written(tmp_path):
    for name in ("n" * 251 + ".wav", "m" * 255, "a." + "s" * 250):
        with whole_file(tmp_path / name) as temporary:
            assert len(temporary.name) < 60 and temporary.name.startswith(".")
            temporary.write_bytes(b"x")
        assert (tmp_path / name).read_bytes() == b"x"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    "number, advice",
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "your quota"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "read-only"),
        (errno.ENOTDIR, "a file lies where a folder is needed"),
        (errno.ENAMETOOLONG, "the name is too long"),
    ],
)
def test_advice_is_by_the_cause(tmp_path, number, advice, monkeypatch):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match=f"{tmp_path}/out: cannot be written: .*{advice}") as told:
        check_writable(tmp_path / "out")
    assert "\n" not in str(told.value)
    assert "disk is full" in advice or "full" not in str(told.value)


def test_a_cause_that_a_library_does_not_tell_is_guessed():
    assert str(write_error("a.wav", RuntimeError("System\n error."))) == (
        "a.wav: cannot be written: System error.; is the disk full?"
    )


def test_a_folder_that_can_be_written_to_is_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path / "new" / "out", "new", ".", tmp_path):
        check_writable(folder)
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_left_as_it_was(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "file/below", "link", "link/below", "new/" + "n" * 300):
        with pytest.raises(OSError, match="cannot be written"):
            check_writable(tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "link"}

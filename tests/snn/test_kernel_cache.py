"""The life of a compiled library: where it is kept, who may write there, what happens when it is damaged or gone."""

import ctypes
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading

import pytest

from spiking_tasnet import cache_folder, compiler
from spiking_tasnet.cache_folder import cache_folders, private_folder
from spiking_tasnet.compiler import NoCompilerError, advice, compiled, use_library
from spiking_tasnet.snn.kernels import build

COMPILER = shutil.which(os.environ.get("CC") or "cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")
ROOT = os.geteuid() == 0
OTHER = 54321  # a user that is not this one


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A cache folder and a folder for temporary files of this test's own."""
    (tmp_path / "tmp").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    cache_folder._throwaway.cache_clear()
    yield tmp_path
    cache_folder._throwaway.cache_clear()


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "answer.c"
    path.write_text("int answer(void) { return 42; }\n")
    return path


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """A compiler that writes a line for each library that it is asked for."""
    log, script = tmp_path / "log", tmp_path / "compiler"
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] || echo built >>"{log}"\nexec "{COMPILER}" "$@"\n')
    script.chmod(0o700)
    monkeypatch.setenv("CC", str(script))
    return lambda: len(log.read_text().splitlines()) if log.exists() else 0


def built(source):
    return compiled("answer", [source], [source])


def answer(path):
    return ctypes.CDLL(str(path)).answer()


def test_it_is_built_once_and_lies_in_a_folder_of_the_users_alone(home, source, counted):
    umask = os.umask(0)
    try:
        path = built(source)
    finally:
        os.umask(umask)
    assert built(source) == path and counted() == 1 and answer(path) == 42
    assert path.parent == (home / "cache" / "spiking_tasnet").resolve()
    assert mode(path.parent) == mode(home / "cache") == 0o700
    assert not any(mode(file) & 0o022 for file in path.parent.iterdir())


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def note(path):
    return path.with_suffix(".json")


DAMAGES = {
    "cut short": cut,
    "empty": lambda path: os.truncate(path, 0),
    "a bit flipped": flip,
    "no note": lambda path: note(path).unlink(),
    "a note of something else": lambda path: note(path).write_text("[]"),
    "a note cut short": lambda path: cut(note(path)),
    "others can write to it": lambda path: path.chmod(0o777),
    "others can write to its note": lambda path: note(path).chmod(0o666),
    "another library": lambda path: path.write_bytes(b"\x7fELF" + bytes(1000)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_library_that_is_not_as_it_was_built_is_built_again(home, source, counted, damage):
    path = built(source)
    DAMAGES[damage](path)
    assert built(source) == path and counted() == 2
    assert answer(path) == 42 and not mode(path) & 0o022


def test_a_link_is_not_followed(home, source, counted, tmp_path):
    path = built(source)
    shutil.copy2(path, tmp_path / "planted.so")
    path.unlink()
    path.symlink_to(tmp_path / "planted.so")
    assert not built(source).is_symlink() and counted() == 2


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
@pytest.mark.parametrize("part", ["library", "note"])
def test_a_library_of_another_user_is_never_used(home, source, counted, part):
    path = built(source)
    os.chown(path if part == "library" else note(path), OTHER, OTHER)
    assert built(source) == path and counted() == 2 and path.stat().st_uid == 0


def test_a_folder_that_others_can_write_to_is_closed(home, source):
    folder = home / "cache" / "spiking_tasnet"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert built(source).parent == folder.resolve() and mode(folder) == 0o700


def test_a_folder_that_another_user_could_replace_is_refused(home, source):
    (home / "cache").mkdir()
    (home / "cache").chmod(0o777)
    with pytest.raises(PermissionError, match="cache: other users can write there, and could replace spiking_tasnet"):
        private_folder(home / "cache" / "spiking_tasnet")
    assert built(source).parent == (home / "tmp" / f"spiking_tasnet-{os.geteuid()}").resolve()
    (home / "cache").chmod(0o1777)  # sticky, as /tmp
    assert private_folder(home / "cache" / "spiking_tasnet")


@pytest.mark.skipif(not ROOT, reason="only root can give folders away")
@pytest.mark.parametrize("link", [False, True])
def test_a_folder_of_another_user_is_refused_and_left_as_it_is(home, source, link, tmp_path):
    squatted = home / "tmp" / f"spiking_tasnet-{os.geteuid()}"
    if link:
        (tmp_path / "precious").mkdir(mode=0o755)
        squatted.symlink_to(tmp_path / "precious")
        os.chown(squatted, OTHER, OTHER, follow_symlinks=False)
    else:
        squatted.mkdir(mode=0o755)
        os.chown(squatted, OTHER, OTHER)
    (home / "cache").write_text("no folder")
    path = built(source)
    assert path.parent.parent == (home / "tmp").resolve() and path.parent != squatted and mode(path.parent) == 0o700
    assert mode(squatted) == 0o755 and not list(squatted.iterdir())


@pytest.mark.parametrize("base", ["", "relative", None])
def test_no_home(home, source, monkeypatch, base):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # of a user whom the system does not know
    if base is None:
        monkeypatch.delenv("XDG_CACHE_HOME")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", base)
    monkeypatch.chdir(home)
    assert built(source).parent == (home / "tmp" / f"spiking_tasnet-{os.geteuid()}").resolve()
    assert not (home / "relative").exists()


def test_a_cache_that_cannot_be_written(home, source, counted):
    (home / "cache").write_text("a file, so nothing can be made below it: root too")
    path = built(source)
    assert path.parent == (home / "tmp" / f"spiking_tasnet-{os.geteuid()}").resolve()
    assert mode(path.parent) == 0o700
    assert built(source) == path and counted() == 1  # the next process finds it


def test_a_folder_that_libraries_cannot_be_loaded_from(home, source, counted):
    tried = []

    def load(path):
        tried.append(path)
        if len(tried) == 1:
            raise OSError("failed to map segment from shared object: Operation not permitted")
        return answer(path)

    assert use_library("answer", [source], [source], load) == 42
    assert tried[0].parent != tried[1].parent and counted() == 2


def test_no_folder_at_all(home, source, monkeypatch):
    (home / "cache").write_text("a file")
    monkeypatch.setattr(tempfile, "tempdir", str(home / "cache"))
    assert all(isinstance(folder, OSError) for folder in cache_folders())
    with pytest.raises(OSError, match="Not a directory|File exists") as caught:
        built(source)
    assert advice(caught.value).startswith("set XDG_CACHE_HOME to a folder that only you can write to")


def test_a_library_outlives_its_compiler(home, source, monkeypatch):
    path = built(source)
    monkeypatch.setenv("CC", "/nowhere/cc")
    monkeypatch.setenv("PATH", str(home))
    assert built(source) == path
    cut(path)
    with pytest.raises(NoCompilerError, match="no C compiler found") as caught:
        built(source)
    assert advice(caught.value).startswith("install a C compiler")


def test_another_compiler_builds_its_own(home, source, counted, monkeypatch):
    path = built(source)
    told = json.loads(note(path).read_text())
    note(path).write_text(json.dumps(told | {"compiler": "cc 1.0"}))
    assert built(source) == path and counted() == 2


def test_advice_goes_by_the_cause(home, tmp_path):
    broken = tmp_path / "broken.c"
    broken.write_text("int answer(void) { return }\n")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        built(broken)
    assert "error" in caught.value.stderr
    assert advice(caught.value).startswith("the compiler does not work; set CC to another one")
    with pytest.raises(FileNotFoundError) as missing:
        built(tmp_path / "gone.c")
    assert advice(missing.value) == "the package is not complete; install it again"
    assert "XDG_CACHE_HOME" in advice(PermissionError("there"))
    assert "does not end" in advice(subprocess.TimeoutExpired("cc", 300))


def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_processes_that_start_together_build_it_once(home, source, counted):
    code = f"""
import os, sys
from pathlib import Path
from spiking_tasnet.compiler import compiled
source = Path({str(source)!r})
children = []
for _ in range(4):
    child = os.fork()
    if not child:
        os._exit(0 if compiled("answer", [source], [source]).exists() else 1)
    children.append(child)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""
    python(code, TMPDIR=str(home / "tmp"))
    assert counted() == 1 and answer(built(source)) == 42 and counted() == 1


def test_a_lock_whose_holder_does_not_end_is_not_waited_for_for_ever(tmp_path):
    path = tmp_path / ".lock"
    code = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.lockf(f, 2); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with compiler._locked(path, patience=0.2):
            entered = True
        holder.communicate("\n")
    assert entered


def test_first_use_from_many_threads_loads_it_once(monkeypatch):
    loads, found, gate = [], [], threading.Barrier(8)
    load = build._load
    monkeypatch.setattr(build, "_made", {})
    monkeypatch.setattr(build, "_load", lambda: loads.append(1) or load())

    def use():
        gate.wait()
        found.append((build.library(), build.ffi()))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1 and len(found) == 8
    assert len({id(library) for library, _ in found}) == len({id(ffi) for _, ffi in found}) == 1


def test_forked_workers_simulate_what_their_parent_does():
    code = """
import os, sys, threading
import torch
from spiking_tasnet.snn.kernels import Neurons, build, event, reference
from spiking_tasnet.snn.words import pack
torch.manual_seed(0)
operator = torch.nn.Conv1d(8, 32, 3)
code = pack(torch.rand(8, 4, 8, 60) < 0.3)
neurons = Neurons((torch.randn(32, 8, 3) * 40).to(torch.int8), torch.zeros(32, dtype=torch.int32),
                  torch.full((32,), 20000, dtype=torch.int32))
expected = reference.simulate(operator, code, 8, neurons)
def works():
    return build.library() is None or torch.equal(event.simulate(operator, code, 8, neurons), expected)
def children(count):
    found = []
    for _ in range(count):
        child = os.fork()
        if not child:
            os._exit(0 if works() else 1)
        found.append(child)
    return [os.waitpid(child, 0)[1] for child in found]
before = children(2)  # first use in the children
held, free = threading.Event(), threading.Event()
def hold():
    with build._first_use:
        held.set()
        free.wait()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
during = children(2)  # while another thread of the parent holds the lock
free.set()
thread.join()
assert works()
after = children(2)
print(before, during, after)
"""
    assert python(code) == "[0, 0] [0, 0] [0, 0]\n"


def test_a_library_without_the_functions_is_not_taken(home, source):
    with pytest.raises(OSError, match="a library without event_limit found|a library without event_"):
        build._loaded(built(source))

"""How commands end: codes and one line for what is the user's to mend, a traceback for what is ours."""

import importlib
import os
import signal
import time
from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace

import pytest

from spiking_tasnet.cli.main import main


@pytest.fixture
def ending(monkeypatch, capsys):
    """Run `mix` with another implementation; return the exit code and what stderr got."""

    def run(act, arguments=lambda parser: None):
        implementation = SimpleNamespace(add_arguments=arguments, run=lambda args: act())
        monkeypatch.setattr(importlib, "import_module", lambda name: implementation)
        code = main(["mix"])
        return code, capsys.readouterr().err

    return run


def raising(error):
    def act():
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("a\n  b"), "a b"),
        (OSError(28, "No space left on device", "x.wav"), "[Errno 28] No space left on device: 'x.wav'"),
        (MemoryError(), "out of memory; "),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory ("),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "out of memory (CUDA out of memory."),
        (
            BrokenProcessPool("A process in the process pool was terminated abruptly"),
            "a process of the pool was killed",
        ),
        (
            ModuleNotFoundError("No module named 'torch'"),
            "No module named 'torch'; install the packages of pyproject.toml",
        ),
    ],
)
def test_what_the_user_can_mend_is_one_line(ending, error, told):
    code, text = ending(raising(error))
    (line,) = text.splitlines()
    assert code == 1 and line.startswith(f"spiking-tasnet mix: error: {told}")


@pytest.mark.parametrize("error", [RuntimeError("of ours"), KeyError("x"), AssertionError()])
def test_a_bug_keeps_its_traceback(ending, error):
    with pytest.raises(type(error)):
        ending(raising(error))


@pytest.fixture
def interruptible():
    """Ctrl-C as Python handles it: a shell's background job, which the tests may be, ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)


def spoilt_import():
    """Some packages make an ImportError of whatever is raised while they are loaded."""
    try:
        press_ctrl_c()
    except KeyboardInterrupt:
        raise ImportError("cannot load") from None


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("act", [press_ctrl_c, spoilt_import])
def test_ctrl_c_while_modules_load_or_later(ending, act):
    assert ending(act) == (130, "spiking-tasnet mix: interrupted\n")
    assert ending(lambda: 0, lambda parser: act()) == (130, "spiking-tasnet: interrupted\n")


def test_ctrl_c_that_is_ignored_stays_ignored(ending):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert ending(lambda: os.kill(os.getpid(), signal.SIGINT)) == (0, "")
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("threads", ["-1", "1000000000"])
@pytest.mark.parametrize("command", [["train"], ["vision-train", "--method", "ann"], ["vision-test"]])
def test_threads_that_no_computer_has(command, threads, capsys, tmp_path):
    code = main([*command, "--data", str(tmp_path), "--exp", str(tmp_path), f"--threads={threads}"])
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 1 and line.endswith(f"error: --threads {threads} found, 0 (all) to 1024 expected")

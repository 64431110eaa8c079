"""A command of a stage: its exit code, its output, and that nothing of it is left behind."""

import os
import signal
import sys
import threading

import pytest
from stage_script import has_ended, wait_until

from spiking_tasnet.stages.process import Tee, run_command
from spiking_tasnet.stages.signals import Signals


@pytest.fixture(autouse=True)
def usual_handlers():
    """A test that runs in a shell's background job ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def run(tmp_path, capfdbinary):
    def run(code, *words):
        tee = Tee(tmp_path / "log")
        with Signals() as signals:
            result = run_command([sys.executable, "-c", code, *words], signals, tee)
            while tee.pending:
                tee.show()
        tee.close()
        return result, (tmp_path / "log").read_bytes(), signals

    return run


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", 0),
        ("raise SystemExit(7)", 7),
        ("import os; os.kill(os.getpid(), 9)", 128 + 9),
        ("import os; os.kill(os.getpid(), 15)", 128 + 15),
    ],
)
def test_exit_codes_are_those_of_a_shell(run, code, expected):
    assert run(code)[0] == expected


def test_what_python_and_c_print_goes_to_screen_and_log(run, capfdbinary):
    code, log, _ = run(
        "import os, sys; os.write(2, b'c \\xff\\n'); print('python'); sys.stdout.flush(); os.write(1, b'end')"
    )
    assert code == 0 and log == b"c \xff\npython\nend"
    assert capfdbinary.readouterr().out == log


def test_much_output_arrives_whole(run, capfdbinary):
    _, log, _ = run("for n in range(50_000): print(n, 'words')")
    assert log == b"".join(b"%d words\n" % n for n in range(50_000)) and capfdbinary.readouterr().out == log


def test_the_command_reads_nothing_and_is_no_part_of_our_group(run):
    _, log, _ = run("import os, sys; print(sys.stdin.read() == '', os.getpgid(0) == os.getpid())")
    assert log == b"True True\n"


def test_children_that_outlive_their_command_are_ended(run, tmp_path, monkeypatch):
    monkeypatch.setattr("spiking_tasnet.stages.process.GRACE", 0.2)
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open(sys.argv[1], 'w').write(str(child.pid))"
    )
    assert run(code, str(tmp_path / "pid"))[0] == 0
    wait_until(lambda: has_ended(int((tmp_path / "pid").read_text())))


@pytest.fixture
def in_the_foreground():
    """Signals as a command in the foreground of a shell has them; `nohup` and `&` let it ignore some."""
    own = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in own.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("in_the_foreground")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_the_command_which_ends_in_order(run, number, tmp_path):
    code = (
        "import time\n"
        "try:\n"
        "    print('ready', flush=True); time.sleep(600)\n"
        "except KeyboardInterrupt:\n"
        "    print('in order'); raise SystemExit(5)"
    )
    log = tmp_path / "log"  # of `run`

    def send():
        wait_until(lambda: log.exists() and b"ready\n" in log.read_bytes())
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    sender.start()
    result, text, signals = run(code)
    sender.join()
    assert (result, text) == (5, b"ready\nin order\n") and signals.received == number


def test_ignored_signals_stay_ignored_and_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
        assert signals.received == signal.SIGTERM  # the first counts
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    finally:
        signal.signal(signal.SIGHUP, hangup)


def test_a_log_that_takes_no_more_leaves_the_screen(tmp_path, capfdbinary):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    (tmp_path / "log").symlink_to("/dev/full")
    tee = Tee(tmp_path / "log")
    tee.line("still seen")
    tee.close()
    assert capfdbinary.readouterr().out == b"still seen\n"

import os
import signal

import pytest

from spiking_tasnet.cli.interrupts import Interrupts


def test_sigterm_is_exit_code_143_in_one_line_and_the_handler_is_put_back(capsys):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop, Interrupts("separate"):
        os.kill(os.getpid(), signal.SIGTERM)
    assert capsys.readouterr().err == "separate: terminated\n"
    assert stop.value.code == 143 and signal.getsignal(signal.SIGTERM) is before


BOTH = pytest.mark.parametrize("number, expected", [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])


@pytest.fixture(autouse=True)
def usual_handlers():
    """A test that runs in a shell's background job ignores SIGINT."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@BOTH
def test_while_modules_load_it_waits(number, expected):
    steps = []
    with pytest.raises(expected), Interrupts("separate") as interrupts:
        with interrupts.loading():
            os.kill(os.getpid(), number)
            steps.append("loaded")
        steps.append("went on")
    assert steps == ["loaded"]


@BOTH
def test_a_library_that_turns_it_into_its_own_error_does_not_hide_it(number, expected):
    with pytest.raises(expected), Interrupts("separate"):
        try:
            os.kill(os.getpid(), number)
        except BaseException as error:
            raise ImportError("a module failed to load") from error


def test_one_that_was_dropped_is_raised_when_asked():
    with pytest.raises(SystemExit), Interrupts("separate") as interrupts:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except SystemExit:
            pass
        interrupts.check()


def test_a_signal_that_the_parent_ignores_stays_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Interrupts("separate"):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)

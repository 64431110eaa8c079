import os
import signal

import pytest

from spiking_tasnet.cli.interrupts import Interrupts


def test_sigterm_is_exit_code_143_and_the_handler_is_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop, Interrupts():
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.value.code == 143 and signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number, expected", [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_library_that_turns_it_into_its_own_error_does_not_hide_it(number, expected, monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda number: usual[number])
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    with pytest.raises(expected), Interrupts():
        try:
            os.kill(os.getpid(), number)
        except BaseException as error:
            raise ImportError("a module failed to load") from error


def test_one_that_was_dropped_is_raised_when_asked():
    with pytest.raises(SystemExit), Interrupts() as interrupts:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except SystemExit:
            pass
        interrupts.check()


def test_a_signal_that_the_parent_ignores_stays_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Interrupts():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)

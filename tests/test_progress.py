import io

import pytest

from spiking_tasnet import progress as module
from spiking_tasnet.progress import Progress, track


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock.monotonic)
    return clock


def test_a_line_at_each_tenth_where_there_is_no_terminal(clock):
    stream = io.StringIO()
    with Progress(1000, "score", "mixture", stream) as progress:
        for _ in range(1000):
            clock.now += 0.05
            progress.update()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10 and "\r" not in stream.getvalue()
    assert lines[4] == "score: 50 %, 500 of 1000 mixture, 25 s, about 25 s left"


def test_a_line_each_minute_where_a_tenth_takes_longer(clock):
    stream = io.StringIO()
    with Progress(1000, "score", "mixture", stream) as progress:
        for _ in range(90):
            clock.now += 4
            progress.update()
    assert len(stream.getvalue().splitlines()) == 6


def test_short_work_writes_nothing(clock):
    stream = io.StringIO()
    with Progress(10, "score", "mixture", stream) as progress:
        for _ in range(10):
            progress.update()
    assert not stream.getvalue()


def test_progress_beyond_the_total_is_clamped(clock):
    stream = io.StringIO()
    with Progress(16, "separate", "s", stream) as progress:
        clock.now += 2
        progress.update(40)
        progress.update(-3)
    assert progress.done == 16 and "100 %, 16 of 16 s" in stream.getvalue()


class Broken(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal

    def write(self, text):
        raise OSError("No space left on device")


@pytest.mark.parametrize("terminal", [False, True])
def test_a_display_that_fails_costs_nothing(clock, terminal):
    with Progress(3, "score", "mixture", Broken(terminal)) as progress:
        for _ in range(3):
            clock.now += 5
            progress.update()
    assert progress.done == 3


def test_without_a_stderr(monkeypatch):
    monkeypatch.setattr(module.sys, "stderr", None)
    assert list(track([1, 2, 3], 3, "score", "mixture")) == [1, 2, 3]


def test_nothing_to_do():
    assert list(track([], 0, "score", "mixture")) == []

"""A journal: what was added comes back, a cut line and other settings do not."""

import os
import subprocess
import sys

import pytest

from spiking_tasnet.separation.journal import Journal, fingerprint, journal


def test_entries_come_back_under_the_same_settings_only(tmp_path):
    path = tmp_path / "new" / "done.jsonl"
    with journal(path, {"model": "a"}) as first:
        assert first.entries == {}
        first.add("u", {"row": [1, None, float("-inf"), 0.1 + 0.2]})
        first.add("v", {"row": []})
        first.add("v", {"row": [2]})
    expected = {"u": {"row": [1, None, float("-inf"), 0.1 + 0.2]}, "v": {"row": [2]}}
    for _ in range(2):
        with journal(path, {"model": "a"}) as again:
            assert again.entries == expected
    with journal(path, {"model": "b"}) as other:
        assert other.entries == {}
    with journal(path, {"model": "a"}) as back:
        assert back.entries == {}


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_line_that_was_cut_is_left_out(tmp_path, cut):
    path = tmp_path / "done.jsonl"
    with journal(path, {}) as first:
        first.add("u", {"n": 1})
        first.add("v", {"n": 2, "text": "x" * 40})
    path.write_bytes(path.read_bytes()[:-cut])
    with journal(path, {}) as again:
        assert again.entries == {"u": {"n": 1}}
        again.add("w", {"n": 3})
    with journal(path, {}) as once_more:
        assert once_more.entries == {"u": {"n": 1}, "w": {"n": 3}}


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"no json\n", b"[]\n{}\n", b'{}\n[1]\n{"key": 3}\n\xff\n'])
def test_what_is_no_journal_begins_anew(tmp_path, content):
    (tmp_path / "j").write_bytes(content)
    with journal(tmp_path / "j", {}) as found:
        assert found.entries == {}


def test_entries_survive_kill_9(tmp_path):
    program = (
        "import os, sys; from spiking_tasnet.separation.journal import Journal\n"
        f"j = Journal({str(tmp_path / 'j')!r}, {{}}); j.add('u', {{'n': 1}}); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == -9
    kept = Journal(tmp_path / "j", {})
    kept.close()
    assert kept.entries == {"u": {"n": 1}}


def test_a_full_disk_is_one_line(tmp_path):
    kept = Journal(tmp_path / "j", {})
    kept.close()
    kept._stream = open("/dev/full", "ab", buffering=0)
    with pytest.raises(OSError, match="j: cannot be written .No space left on device.; make room"):
        kept.add("u", {})
    kept.close()


def test_fingerprints_tell_a_changed_file(tmp_path):
    path = tmp_path / "a"
    assert fingerprint(path) is None
    path.write_text("a")
    first = fingerprint(path)
    assert first == fingerprint(path)
    os.utime(path, (1, 1))
    assert fingerprint(path) != first

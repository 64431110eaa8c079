"""A short run of the fuzzer of sound files, and that it does find faults."""

import pytest

from benchmarks import fuzz_audio


def test_no_damaged_file_is_a_fault():
    table, faults, facts = fuzz_audio.fuzz(count=42, seed=7)
    assert not faults
    total = sum(table.values(), fuzz_audio.Counter())
    assert sum(total.values()) == 42 and total["refused"] and total["warned"] + total["read"]
    assert facts["longest"] < fuzz_audio.LIMIT_SECONDS and facts["printed"] == 0


@pytest.mark.parametrize(
    "error, outcome",
    [
        (ValueError("a.wav: no sound"), "refused"),
        (ValueError("no sound"), "traceback"),
        (ValueError("a.wav:\nno sound"), "traceback"),
        (IndexError("a.wav"), "traceback"),
        (MemoryError(), "memory"),
    ],
)
def test_faults_are_told_apart(tmp_path, monkeypatch, error, outcome):
    def fail(path):
        raise error

    for way in ("_as_recording", "_as_corpus", "_as_census"):
        monkeypatch.setattr(fuzz_audio, way, fail)
    assert fuzz_audio.try_file(tmp_path / "a.wav")[0] == outcome

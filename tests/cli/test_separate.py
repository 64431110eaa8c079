"""`separate.py` as users run it: any rate, channels and length in, one file a talker out."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_experiment import speech_like
from tiny_separator import few_bit_network, tiny_network, write_tiny_experiment

from spiking_tasnet.cli.main import main
from spiking_tasnet.models import NETWORKS
from spiking_tasnet.separation.packed import pack
from spiking_tasnet.separation.separator import Separator

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    return write_tiny_experiment(tmp_path_factory.mktemp("work") / "exp" / "tiny")


@pytest.fixture
def separate(exp, tmp_path, capsys):
    def run(*arguments, code=0):
        given = [*map(str, arguments), "--model", str(exp), "--threads", "1"]
        given += [] if "-o" in given else ["-o", str(tmp_path / "out")]
        assert main(["separate", *given]) == code
        return capsys.readouterr()

    return run


def command(exp, *arguments):
    return [sys.executable, str(ROOT / "separate.py"), *map(str, arguments), "--model", str(exp), "--threads", "1"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def errors(text):
    return [line for line in text.splitlines() if ": error: " in line]


def write_speech(path, seconds, rate=8000, n_chan=1, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    signal_ = np.stack([speech_like(np.random.default_rng(n), seconds, rate) for n in range(n_chan)], axis=1)
    soundfile.write(path, signal_, rate, **options)
    return path


@pytest.mark.parametrize(
    "rate, channels, n_samples, subtype, written",
    [
        (8000, 1, 1, "PCM_16", "PCM_16"),
        (44100, 1, 1, "PCM_16", "PCM_16"),
        (8000, 1, 15, "PCM_16", "PCM_16"),
        (8000, 1, 8191, "FLOAT", "PCM_24"),
        (11025, 1, 5001, "PCM_U8", "PCM_16"),
        (44101, 1, 50001, "PCM_16", "PCM_16"),
        (48000, 2, 24001, "PCM_24", "PCM_24"),
        (16000, 3, 9000, "PCM_16", "PCM_16"),
    ],
)
def test_length_rate_and_name_of_the_outputs(separate, tmp_path, rate, channels, n_samples, subtype, written):
    signal_ = np.stack([speech_like(np.random.default_rng(n), 1.5, rate)[:n_samples] + 0.1 for n in range(channels)])
    soundfile.write(tmp_path / "my mix.wav", signal_.T, rate, subtype=subtype)
    printed = separate(tmp_path / "my mix.wav", "--segment", "0.5")
    assert names(tmp_path / "out") == ["my mix_s1.wav", "my mix_s2.wav"]
    for place in (1, 2):
        info = soundfile.info(tmp_path / "out" / f"my mix_s{place}.wav")
        assert (info.frames, info.samplerate, info.channels, info.subtype) == (n_samples, rate, 1, written)
    assert "real-time factor" in printed.err and "(spiking)" in printed.err


def test_short_and_long_files_with_stderr_in_a_file(exp, tmp_path):
    lengths = {"1 s": 1, "17 s": 17, "40 s": 40.0001, "3 min": 180}
    files = [write_speech(tmp_path / f"{name}.wav", seconds) for name, seconds in lengths.items()]
    with open(tmp_path / "log", "w") as log:
        done = subprocess.run(
            command(exp, *files, "-o", tmp_path / "out"), stderr=log, stdout=subprocess.PIPE, text=True
        )
    text = (tmp_path / "log").read_text()
    assert done.returncode == 0 and "Traceback" not in text and "\r" not in text, text
    assert text.splitlines()[-1].startswith("4 of 4 files, 238.0 s of audio in ")
    assert len(done.stdout.splitlines()) == 4
    for path in files:
        for place in (1, 2):
            found = tmp_path / "out" / f"{path.stem}_s{place}.wav"
            assert soundfile.info(found).frames == soundfile.info(path).frames
    assert not any(line.startswith("nanobind") for line in text.splitlines())


def test_what_is_written_is_what_the_library_gives(exp, separate, tmp_path):
    path = write_speech(tmp_path / "a.wav", 5, 11025)
    separate(path, "--segment", "1.5", "--ann")
    samples, rate = soundfile.read(path)
    expected = Separator.load(exp, ann=True).separate(samples, rate)
    found = np.stack([soundfile.read(tmp_path / f"out/a_s{place}.wav")[0] for place in (1, 2)])
    np.testing.assert_allclose(found, expected, atol=0.5 / 32768 + 1e-6)


def test_silence_gives_silence_without_a_warning(separate, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(3000), 8000)
    assert "warning" not in separate(tmp_path / "a.wav").err
    assert not soundfile.read(tmp_path / "out/a_s1.wav")[0].any()


def test_a_silent_result_of_a_recording_that_is_not_is_a_warning(separate, tmp_path, monkeypatch):
    monkeypatch.setattr("spiking_tasnet.separation.streaming.gains.solve_gains", lambda gram, cross: 0 * cross)
    path = write_speech(tmp_path / "a.wav", 1)
    assert f"warning: {path}: the recording is not silent, but a_s1.wav and a_s2.wav is" in separate(path).err


def test_one_bad_file_does_not_stop_the_others(separate, tmp_path):
    (tmp_path / "bad.wav").write_text("no sound")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 8000)
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan), 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "good.wav", 0.1 * np.ones(1000), 8000)
    files = [tmp_path / f"{name}.wav" for name in ("bad", "absent", "empty", "nan", "good")]
    printed = separate(*files, code=1)
    found, expected = errors(printed.err), ("cannot be read as audio", "no such file", "no samples", "NaN or infinite")
    assert len(found) == 4
    for line, path, message in zip(found, files, expected, strict=False):
        assert path.name in line and message in line
    assert names(tmp_path / "out") == ["good_s1.wav", "good_s2.wav"]
    assert "1 of 5 files" in printed.err


@pytest.mark.parametrize(
    "error, message",
    [
        (MemoryError, "out of memory"),
        (
            lambda: RuntimeError("[enforce fail] DefaultCPUAllocator:\n can't allocate memory: 99 bytes"),
            "out of memory",
        ),
        (lambda: IndexError("index -1"), "IndexError: index -1; SPIKING_TASNET_DEBUG=1"),
        (AssertionError, "AssertionError: AssertionError"),
        (lambda: OSError("x" * 9000), "xxx"),
    ],
)
def test_whatever_a_file_raises_is_one_line_and_the_next_is_done(separate, tmp_path, monkeypatch, error, message):
    from spiking_tasnet.separation.streaming.stream import SeparationStream

    push = SeparationStream.push

    def fail_at_first(self, samples):
        if self.rate == 9000:
            raise error()
        return push(self, samples)

    monkeypatch.setattr(SeparationStream, "push", fail_at_first)
    bad, good = write_speech(tmp_path / "bad.wav", 1, 9000), write_speech(tmp_path / "good.wav", 1)
    printed = separate(bad, good, code=1)
    (line,) = errors(printed.err)
    assert f"error: {bad}: " in line and message in line and len(line) < 700
    assert names(tmp_path / "out") == ["good_s1.wav", "good_s2.wav"] and "Traceback" not in printed.err
    monkeypatch.setenv("SPIKING_TASNET_DEBUG", "1")
    printed = separate(bad, good, code=1)
    assert "Traceback" in printed.err and "fail_at_first" in printed.err and len(errors(printed.err)) == 1


def test_a_path_that_cannot_be_expanded_does_not_stop_the_others(separate, tmp_path, monkeypatch):
    from spiking_tasnet.separation.audio import recording

    def expand(paths):
        if paths[0].is_dir():
            raise ValueError(f"{paths[0]}: a folder without sound files found")
        return paths

    monkeypatch.setattr(recording, "expand", expand)
    (tmp_path / "empty").mkdir()
    printed = separate(tmp_path / "empty", write_speech(tmp_path / "a.wav", 0.1), code=1)
    assert "a folder without sound files" in errors(printed.err)[0] and "1 of 2 files" in printed.err
    assert names(tmp_path / "out") == ["a_s1.wav", "a_s2.wav"]


def test_a_name_is_one_line_whatever_is_in_it(separate, tmp_path):
    good, bad = write_speech(tmp_path / "a  b\n\x1b[31m.wav", 0.1), tmp_path / "c  d\n.wav"
    printed = separate(good, bad, code=1)
    assert len(printed.out.splitlines()) == 1 and "\x1b" not in printed.out
    (line,) = errors(printed.err)
    assert line.count("c  d") == 1 or line.count("c d") == 1


def test_names_that_are_alike_are_kept_apart_and_no_input_is_overwritten(separate, tmp_path):
    for name in ("a/mix.wav", "b/mix.wav", "out/mix_s1.wav", "mix.wav"):
        write_speech(tmp_path / name, 0.1)
    printed = separate(tmp_path / "a/mix.wav", tmp_path / "b/mix.wav", tmp_path / "b/../b/mix.wav")
    expected = [f"{folder}-mix_s{place}.wav" for folder in "ab" for place in (1, 2)]
    assert names(tmp_path / "out") == sorted([*expected, "mix_s1.wav"]) and "given twice" in printed.err
    assert printed.out.splitlines()[1].endswith(f"{tmp_path / 'out/b-mix_s1.wav'}, {tmp_path / 'out/b-mix_s2.wav'}")
    before = (tmp_path / "out/mix_s1.wav").read_bytes()
    printed = separate(tmp_path / "mix.wav", tmp_path / "out/mix_s1.wav", code=1)
    assert "mix_s1.wav is an input and would be overwritten" in errors(printed.err)[0]
    assert (tmp_path / "out/mix_s1.wav").read_bytes() == before
    assert {"mix_s1_s1.wav", "mix_s1_s2.wav"} < set(names(tmp_path / "out"))


@pytest.mark.parametrize("length", [245, 255])
def test_long_names(separate, tmp_path, length):
    path = write_speech(tmp_path / ("n" * (length - 4) + ".wav"), 0.1)
    separate(path)
    assert len(names(tmp_path / "out")) == 2


@pytest.mark.parametrize(
    "options, message",
    [
        (("--segment", "inf"), "--segment inf found, 0.1 to 600 seconds expected"),
        (("--segment", "nan"), "--segment nan found"),
        (("--segment", "1e9"), "--segment 1e+09 found"),
        (("--segment", "0"), "--segment 0 found"),
        (("--threads", "0"), "--threads 0 found, 1 or more expected"),
        (("--channel", "0"), "--channel 0 found, a number from 1, mean, strongest or auto expected"),
        (("--channel", "left"), "--channel left found"),
    ],
)
def test_wrong_options_are_one_line_and_exit_code_2(exp, tmp_path, capsys, options, message):
    assert main(["separate", str(tmp_path / "a.wav"), "-o", str(tmp_path / "out"), "--model", str(exp), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"spiking-tasnet separate: error: {message}" in line
    assert not (tmp_path / "out").exists()


def test_what_pytorch_keeps_of_each_length_is_limited_before_it_is_used(tmp_path, monkeypatch):
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    main(["separate", str(tmp_path / "a.wav"), "--segment", "inf"])
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "32"
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7")
    main(["separate", str(tmp_path / "a.wav"), "--segment", "inf"])
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7"


def test_an_output_folder_that_cannot_be_is_told_before_a_model_is_loaded(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    path = write_speech(tmp_path / "a.wav", 0.1)
    for out in ("file", "file/below", "n" * 300):
        absent = str(tmp_path / "absent")
        assert main(["separate", str(path), "-o", str(tmp_path / out), "--model", absent]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "cannot be written: " in line and str(tmp_path / out) in line and "disk full" not in line
    assert main(["separate", str(path), "-o", str(tmp_path / "out"), "--json", f"{tmp_path}/file/x/y.json"]) == 1
    assert "a file lies where a folder is needed" in capsys.readouterr().err


def test_a_folder_is_made_for_results_only(separate, tmp_path):
    separate(tmp_path / "absent.wav", "-o", tmp_path / "new" / "out", code=1)
    assert not (tmp_path / "new").exists()
    separate(write_speech(tmp_path / "a.wav", 0.1), "-o", tmp_path / "new" / "out")
    assert names(tmp_path / "new" / "out") == ["a_s1.wav", "a_s2.wav"]


def test_json_of_good_and_bad_files(separate, tmp_path):
    speech = speech_like(np.random.default_rng(0), 4.0, 16000)
    soundfile.write(tmp_path / "a.wav", np.r_[speech, np.zeros(40000), speech], 16000)
    separate(tmp_path / "a.wav", tmp_path / "absent.wav", "--json", tmp_path / "new/report.json", code=1)
    good, bad = json.loads((tmp_path / "new/report.json").read_text())
    assert good["file"] == str(tmp_path / "a.wav") and good["error"] is None
    assert good["outputs"] == [str(tmp_path / f"out/a_s{place}.wav") for place in (1, 2)]
    assert good["seconds"] == 10.5 and good["sample_rate"] == 16000 and good["channel"] in ("mean", "1")
    assert good["real_time_factor"] > 0 and 0 < good["spikes_per_neuron"] <= 8 and good["synops_per_second"] > 1e4
    (link,) = good["links"]
    assert link["kind"] == "pause" and link["time_s"] == pytest.approx(6.5, abs=0.7)
    assert set(link) == {"time_s", "kind", "margin", "uncertain", "swapped"}
    assert bad["outputs"] == [] and "no such file" in bad["error"]
    printed = separate(tmp_path / "a.wav", "--ann", "--json", "-")
    (record,) = json.loads(printed.out)
    assert record["spikes_per_neuron"] is None and record["synops_per_second"] is None


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
def test_any_name_on_any_terminal(exp, tmp_path):
    folder = os.fsencode(tmp_path)
    path = os.path.join(folder, b"caf\xe9.wav")
    os.rename(write_speech(tmp_path / "a.wav", 0.2), path)
    given = [os.fsencode(word) for word in command(exp, "-o", tmp_path / "out")]
    environment = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    absent = os.path.join(folder, b"absent\xe9.wav")
    done = subprocess.run([*given[:2], path, absent, *given[2:]], env=environment, capture_output=True)
    assert done.returncode == 1 and b"absent\\xe9.wav: no such file" in done.stderr, done.stderr
    assert sorted(os.listdir(os.path.join(folder, b"out"))) == [b"caf\xe9_s1.wav", b"caf\xe9_s2.wav"]
    assert b"caf\\xe9_s1.wav" in done.stdout


# What stdout was to hold and does not is an error of every command; it costs no result.
@pytest.mark.parametrize(("redirection", "code"), [("2>&- >&-", 0), ("2>/dev/full", 0), (">/dev/full 2>/dev/full", 1)])
def test_a_result_even_without_a_place_for_words(exp, tmp_path, redirection, code):
    path = write_speech(tmp_path / "a.wav", 2)
    words = command(exp, path, "-o", tmp_path / "out")
    done = subprocess.run(["sh", "-c", f'exec "$@" {redirection}', "sh", *words])
    assert done.returncode == code
    assert [soundfile.info(tmp_path / "out" / name).frames for name in names(tmp_path / "out")] == [16000, 16000]


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_with_nothing_half_written(exp, tmp_path, number, code):
    """The second file is an hour of it; the first stays, and is in the report."""
    first, hour = write_speech(tmp_path / "a.wav", 1), tmp_path / "hour.wav"
    soundfile.write(hour, np.tile(speech_like(np.random.default_rng(0), 10.0), 360), 8000)
    words = command(exp, first, hour, "-o", tmp_path / "out", "--json", tmp_path / "report.json")
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout.readline().startswith(str(first))
        time.sleep(0.5)
        process.send_signal(number)
        _, told = process.communicate(timeout=30)
    assert process.returncode == code and "Traceback" not in told and "nanobind" not in told, told
    assert names(tmp_path / "out") == ["a_s1.wav", "a_s2.wav"]
    assert [record["file"] for record in json.loads((tmp_path / "report.json").read_text())] == [str(first)]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_modules_load(exp, tmp_path, number, code):
    """PyTorch's C++ start has begun, and is not over."""
    with subprocess.Popen(
        command(exp, write_speech(tmp_path / "a.wav", 1), "-o", tmp_path / "out"),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        while b"libtorch_python" not in Path(f"/proc/{process.pid}/maps").read_bytes():
            time.sleep(0.01)
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == code and len(told.splitlines()) == 1 and not (tmp_path / "out").exists(), told


def test_the_script_runs_from_any_folder(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "separate.py", "--help"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0 and "OUT/MIX_s1.wav" in done.stdout


def test_threads_are_set(separate, tmp_path):
    separate(write_speech(tmp_path / "a.wav", 0.1))
    assert torch.get_num_threads() == 1


def test_the_shipped_network_is_the_default_and_the_output_says_so(tmp_path, monkeypatch, capsys):
    shipped = tmp_path / "talkers.pt"
    pack(shipped, few_bit_network(), tiny_network(), {})
    monkeypatch.setitem(NETWORKS, "talkers", shipped)
    mix = write_speech(tmp_path / "mix.wav", 1)
    for more, kind in (([], "spiking"), (["--ann"], "analog")):
        assert main(["separate", str(mix), "-o", str(tmp_path / kind), "--threads", "1", *more]) == 0
        assert f"model: talkers.pt, which is shipped ({kind})" in capsys.readouterr().err
        assert names(tmp_path / kind) == ["mix_s1.wav", "mix_s2.wav"]


def test_an_error_that_a_library_makes_of_a_signal_is_no_fault_of_the_file(exp, tmp_path, monkeypatch, capsys):
    from spiking_tasnet.separation import separate_file as module

    def interrupted(*arguments):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except SystemExit:
            raise RuntimeError("a callback failed") from None

    first, second = write_speech(tmp_path / "a.wav", 1), write_speech(tmp_path / "b.wav", 1)
    whole = module.separate_file
    steps = iter([whole, interrupted])
    monkeypatch.setattr(module, "separate_file", lambda *arguments: next(steps)(*arguments))
    report = tmp_path / "report.json"
    words = ["separate", str(first), str(second), "-o", str(tmp_path / "out"), "--json", str(report)]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--model", str(exp)])
    assert ended.value.code == 143 and errors(capsys.readouterr().err) == []
    assert [record["file"] for record in json.loads(report.read_text())] == [str(first)]

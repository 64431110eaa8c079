import errno
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_corpus import write_corpus
from voicebox_level import active_levels

from spiking_tasnet.cli.main import main
from spiking_tasnet.separation.audio import files
from spiking_tasnet.separation.audio.files import write_audio
from spiking_tasnet.separation.corpora import merl, plan
from spiking_tasnet.separation.corpora.kaldi import read_data_dir
from spiking_tasnet.separation.corpora.merl import MerlSpec, build_mixtures
from spiking_tasnet.separation.corpora.mixing import resample


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"), {"tr": 6, "cv": 2, "tt": 3})


@pytest.fixture(scope="module")
def made(root, tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    build_mixtures(MerlSpec(root, root, data), jobs=1)
    return data


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_every_sample_against_the_procedure_written_out(root, made):
    line = (root / "mix_2_spk_tt.txt").read_text().splitlines()[0].split()
    (first, gain1, second, gain2) = line
    name = f"{Path(first).stem}_{float(gain1):.5g}_{Path(second).stem}_{float(gain2):.5g}.wav"
    signals = [soundfile.read(root / path)[0] for path in (first, second)]
    parts = [
        samples / np.sqrt(level) * 10 ** (float(gain) / 20)
        for samples, level, gain in zip(signals, active_levels(signals, 8000), (gain1, gain2), strict=True)
    ]
    length = min(map(len, parts))
    parts = [part[:length] for part in parts]
    scale = 0.9 / max(np.abs(signal).max() for signal in [*parts, sum(parts)])
    for folder, expected in (("mix", sum(parts)), ("s1", parts[0]), ("s2", parts[1])):
        found, rate = soundfile.read(made / "wav8k/min/tt" / folder / name, dtype="int16")
        assert rate == 8000 and soundfile.info(made / "wav8k/min/tt" / folder / name).subtype == "PCM_16"
        np.testing.assert_array_less(np.abs(found - 32768 * scale * expected), 0.51)


def test_data_folders(root, made):
    for subset, count in (("tr", 6), ("cv", 2), ("tt", 3)):
        utterances = read_data_dir(made / subset)
        assert len(utterances) == count
        for utterance in utterances:
            assert utterance.mixture.parent == made / "wav8k/min" / subset / "mix"
            assert all(path.exists() for path in (utterance.mixture, *utterance.sources))
            assert utterance.talkers == tuple(name[:3] for name in utterance.id.split("_")[::2])
            sexes = {"a": "M", "b": "F", "c": "M", "d": "F"} | ({"d": "?"} if subset != "tt" else {})
            assert utterance.genders == tuple(sexes[talker[-1]] for talker in utterance.talkers)


def test_limit_takes_the_first_lines(root, tmp_path):
    build_mixtures(MerlSpec(root, root, tmp_path, limit=1), jobs=1)
    line = (root / "mix_2_spk_tr.txt").read_text().split()
    (only,) = read_data_dir(tmp_path / "tr")
    assert only.id.startswith(Path(line[0]).stem + "_")


def test_published_levels_and_max_mode(root, tmp_path):
    names = {path.stem for path in root.rglob("*.wav")}
    (tmp_path / "activlev_x.txt").write_text("".join(f"{name} 0.01\n" for name in names))
    build_mixtures(MerlSpec(root, root, tmp_path, tmp_path, mode="max", limit=1), jobs=1)
    (only,) = read_data_dir(tmp_path / "tt")
    first, _, second, _ = (root / "mix_2_spk_tt.txt").read_text().split()[:4]
    originals = [soundfile.read(root / name)[0] for name in (first, second)]
    sources = [soundfile.read(path)[0] for path in only.sources]
    assert len(sources[0]) == len(sources[1]) == max(map(len, originals))
    gains = [np.abs(s).max() / np.abs(o).max() for s, o in zip(sources, originals, strict=True)]
    expected = float(only.id.split("_")[1]) - float(only.id.split("_")[3])
    assert 20 * np.log10(gains[0] / gains[1]) == pytest.approx(expected, abs=0.02)  # one level: only the gains differ


def test_higher_rate_is_resampled(tmp_path):
    root = write_corpus(tmp_path / "corpus", {"tr": 1, "cv": 1, "tt": 1}, rate=16000)
    build_mixtures(MerlSpec(root, root, tmp_path / "data"), jobs=1)
    for path in (tmp_path / "data").rglob("*.wav"):
        assert soundfile.info(path).samplerate == 8000
    build_mixtures(MerlSpec(root, root, tmp_path / "data", sample_rate=16000), jobs=1)
    assert soundfile.info(next((tmp_path / "data/wav16k").rglob("*.wav"))).samplerate == 16000


def test_files_of_16_khz_have_the_level_of_their_8_khz_version(tmp_path):
    """As MERL's scripts have it; a whistle at 6 kHz, which is lost at 8 kHz, must not lower the talker below it."""
    root = write_corpus(tmp_path / "corpus", {"tr": 1, "cv": 1, "tt": 1}, rate=16000)
    (first, gain1, second, gain2) = (root / "mix_2_spk_tt.txt").read_text().split()
    samples = soundfile.read(root / first)[0]
    write_audio(root / first, samples + 0.1 * np.sin(2 * np.pi * 6000 * np.arange(len(samples)) / 16000), 16000)
    build_mixtures(MerlSpec(root, root, tmp_path / "data", sample_rate=16000), jobs=1)
    (utterance,) = read_data_dir(tmp_path / "data/tt")
    originals = [soundfile.read(root / name)[0] for name in (first, second)]
    found = [soundfile.read(path)[0] for path in utterance.sources]
    ratio = np.divide(*[np.abs(s).max() / np.abs(o[: len(s)]).max() for s, o in zip(found, originals, strict=True)])
    levels = {rate: active_levels([resample(o, 16000, rate) for o in originals], rate) for rate in (8000, 16000)}
    expected = {rate: 10 ** ((float(gain1) - float(gain2)) / 20) * np.sqrt(b / a) for rate, (a, b) in levels.items()}
    assert ratio == pytest.approx(expected[8000], rel=1e-3)
    assert abs(expected[16000] / expected[8000] - 1) > 0.02


def test_a_second_run_makes_nothing_again(root, made, monkeypatch):
    monkeypatch.setattr(merl, "mix_task", lambda *_: pytest.fail("made again"))
    before = digest(made)
    build_mixtures(MerlSpec(root, root, made), jobs=1)
    assert digest(made) == before


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A corpus of mixtures enough to be killed ten times, and what an uninterrupted run makes of it."""
    root = write_corpus(tmp_path_factory.mktemp("many"), {"tr": 100, "cv": 50, "tt": 100})
    build_mixtures(MerlSpec(root, root, root / "whole"), jobs=1)
    return root


def wavs(folder: Path) -> dict[str, str]:
    return {name: value for name, value in digest(folder).items() if name.endswith(".wav")}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_kill_9_at_ten_random_moments_then_a_rerun_gives_the_same_bytes(many, tmp_path, jobs):
    arguments = ["mix", "--wsj0", str(many), "--mix-lists", str(many), "--data-dir", str(tmp_path), "--jobs", jobs]
    rng, audio = np.random.default_rng(int(jobs)), tmp_path / "wav8k"
    for _ in range(10):
        process = subprocess.Popen([sys.executable, "-m", "spiking_tasnet", *arguments], stderr=subprocess.DEVNULL)
        before, more = n_files(audio), rng.integers(1, 15)
        while process.poll() is None and n_files(audio) < before + more:
            time.sleep(rng.uniform(0, 0.001))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
    (tmp_path / "wav8k/min/tr/mix/.half.123.tmp.wav").write_bytes(b"RIFF")
    assert main(arguments) == 0
    assert wavs(tmp_path) == wavs(many / "whole")


def n_files(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


def test_a_killed_run_leaves_no_process_behind(many, tmp_path):
    arguments = ["--wsj0", str(many), "--mix-lists", str(many), "--data-dir", str(tmp_path), "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "spiking_tasnet", "mix", *arguments], stderr=subprocess.DEVNULL, start_new_session=True
    )
    while n_files(tmp_path / "wav8k") < 5:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _ in range(100):
        try:
            os.killpg(process.pid, 0)  # asks whether any process of the session is left
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    pytest.fail("the processes of a killed run were still there after ten seconds")


def test_espnet_and_kaldi_can_take_the_folders(made, tmp_path):
    """The checks of Kaldi's validate_data_dir.sh and the file names of ESPnet's enh recipes."""
    for subset in ("tr", "cv", "tt"):
        names = ("wav.scp", "spk1.scp", "spk2.scp", "utt2spk")
        tables = {
            name: [line.split(maxsplit=1) for line in (made / subset / name).read_text().splitlines()] for name in names
        }
        utterances = [utterance for utterance, _ in tables["wav.scp"]]
        assert utterances == sorted(set(utterances))
        assert all([utterance for utterance, _ in table] == utterances for table in tables.values())
        inverse = {}
        for utterance, talker in tables["utt2spk"]:
            inverse.setdefault(talker, []).append(utterance)
        lines = [line.split() for line in (made / subset / "spk2utt").read_text().splitlines()]
        assert {talker: members for talker, *members in lines} == inverse
        assert [talker for talker, *_ in lines] == sorted(inverse)
        for name in names[:3]:
            assert all(path.startswith("../") and (made / subset / path).is_file() for _, path in tables[name])
        # Kaldi and ESPnet start relative paths where they run: sed "s# ../# $PWD/data/#" makes them absolute.
        absolute = shutil.copytree(made / subset, tmp_path / subset)
        for name in names[:3]:
            (absolute / name).write_text((absolute / name).read_text().replace(" ../", f" {made}/"))
        assert read_data_dir(absolute) == read_data_dir(made / subset)


def test_processes_give_the_same(root, made, tmp_path):
    build_mixtures(MerlSpec(root, root, tmp_path), jobs=2)
    one, two = ([d for n, d in digest(folder).items() if n.endswith(".wav")] for folder in (made, tmp_path))
    assert one == two


def one_line(capsys, *arguments):
    assert main(["mix", *map(str, arguments)]) == 1
    error = capsys.readouterr().err
    lines = [line for line in error.splitlines() if "error:" in line]
    assert len(lines) == 1 and lines[0].startswith("spiking-tasnet mix: error: ")
    return lines[0]


def test_mistakes(root, tmp_path, capsys):
    options = ("--mix-lists", root, "--data-dir", tmp_path / "data", "--jobs", "1")
    assert "nowhere: no such corpus folder" in one_line(capsys, "--wsj0", tmp_path / "nowhere", *options)
    (tmp_path / "empty").mkdir()
    message = one_line(capsys, "--wsj0", tmp_path / "empty", *options)
    assert "files that the lists name are missing, the first is tiny/" in message
    assert "mix_2_spk_tr.txt: no such list" in one_line(
        capsys, "--wsj0", root, "--mix-lists", tmp_path / "empty", *options[2:]
    )
    assert "--mode 'mean'" in one_line(capsys, "--wsj0", root, *options, "--mode", "mean")
    assert "--limit -1" in one_line(capsys, "--wsj0", root, *options, "--limit", "-1")
    (tmp_path / "activlev_x.txt").write_text("other 1\n")
    assert "utterances have no level" in one_line(capsys, "--wsj0", root, *options, "--activlev", tmp_path)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "samples, message",
    [
        (np.zeros(8000), "silence found"),
        (np.ones(1), "1 samples found, at least 0.1 s expected"),
        (np.zeros(0), "no samples found"),
        (np.full(8000, np.nan), "NaN or infinite"),
        (np.ones((8000, 2)), "2 channels found"),
        (None, "cannot be read as audio"),
    ],
)
def test_bad_audio_is_named_and_no_data_folder_is_left(tmp_path, capsys, samples, message):
    root = write_corpus(tmp_path / "corpus", {"tr": 2, "cv": 1, "tt": 1})
    bad = root / (root / "mix_2_spk_tr.txt").read_text().split()[0]
    if samples is None:
        bad.write_bytes(b"RIFF nothing of the kind")
    else:
        soundfile.write(bad, samples, 8000, subtype="FLOAT")
    error = one_line(capsys, "--wsj0", root, "--mix-lists", root, "--data-dir", tmp_path / "data", "--jobs", "1")
    assert message in error and bad.name in error
    assert not (tmp_path / "data/tr/wav.scp").exists()


def write_bad(root):
    """One bad source of each kind in the training list, and the numbers of the lines that name them."""
    bad = {
        "01a0": lambda path: soundfile.write(path, np.zeros(8000), 8000),
        "01a1": lambda path: soundfile.write(path, np.ones(799) / 2, 8000),
        "01b0": lambda path: soundfile.write(path, np.ones((8000, 2)) / 2, 8000),
        "01b1": lambda path: soundfile.write(path, np.ones(4000) / 2, 4000),
        "01c0": lambda path: path.write_bytes(b""),
    }
    for stem, spoil in bad.items():
        spoil(root / f"tiny/tr/{stem[:3]}/{stem}.wav")
    lines = (root / "mix_2_spk_tr.txt").read_text().splitlines()
    return {stem: [n for n, line in enumerate(lines, start=1) if f"/{stem}.wav" in line] for stem in bad}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_all_bad_lines_are_named_at_once_and_the_others_are_made(tmp_path, capsys, jobs):
    root, data = write_corpus(tmp_path / "corpus", {"tr": 60, "cv": 1, "tt": 1}), tmp_path / "data"
    bad = write_bad(root)
    lines = (root / "mix_2_spk_tr.txt").read_text().splitlines(keepends=True)
    spoilt = {number for numbers in bad.values() for number in numbers}
    cv = sum(any(stem in line for stem in bad) for line in (root / "mix_2_spk_cv.txt").read_text().splitlines())
    arguments = ["--wsj0", root, "--mix-lists", root, "--data-dir", data, "--jobs", jobs]
    error = one_line(capsys, *arguments)
    assert f"{len(spoilt) + cv} of 62 mixtures cannot be made, the others are there" in error
    for reason in ("silence found", "799 samples found, at least 0.1 s", "2 channels found", "4000 Hz found, at least"):
        assert reason in error
    assert "an empty file found" in error
    report = (data / "wav8k/min/not_made.txt").read_text()
    assert report.count("mix_2_spk_tr.txt: line") == len(spoilt) and str(data / "wav8k/min/not_made.txt") in error
    assert all(f"mix_2_spk_tr.txt: line {number}: " in report for number in spoilt)
    assert len(list((data / "wav8k/min/tr/mix").iterdir())) == 60 - len(spoilt)
    assert not (data / "tr").exists() and not (data / "tt/wav.scp").exists()
    kept = [line for number, line in enumerate(lines, start=1) if number not in spoilt]
    (root / "mix_2_spk_tr.txt").write_text("".join(kept))
    for subset in ("cv", "tt"):  # of the good training lines and of the test's, which are all good
        text = kept[0] if subset == "cv" else (root / "mix_2_spk_tt.txt").read_text()
        (root / f"mix_2_spk_{subset}.txt").write_text(text)
    made = wavs(data)
    assert main(["mix", *map(str, arguments)]) == 0
    assert {name: value for name, value in wavs(data).items() if name in made} == made
    assert len(read_data_dir(data / "tr")) == len(kept) and not (data / "wav8k/min/not_made.txt").exists()


def test_ten_reasons_are_shown_and_the_rest_counted(tmp_path, capsys):
    root = write_corpus(tmp_path / "corpus", {"tr": 60, "cv": 1, "tt": 1})
    for path in (root / "tiny").rglob("*.wav"):
        path.write_bytes(b"RIFF nothing of the kind")
    error = one_line(capsys, "--wsj0", root, "--mix-lists", root, "--data-dir", tmp_path / "data", "--jobs", "1")
    assert "62 of 62 mixtures" in error and error.count("cannot be read as audio") == 10
    assert re.search(r"line \d+, mix_2_spk_tr.txt: line \d+, mix_2_spk_tr.txt: line \d+, and \d+ more\)", error)
    assert re.search(r"; and \d more$", error)
    assert (tmp_path / "data/wav8k/min/not_made.txt").read_text().count("\n") == 62


def test_a_header_that_claims_a_thousand_hours_is_no_reason_to_refuse_the_disk(tmp_path, capsys):
    root = write_corpus(tmp_path / "corpus", {"tr": 2, "cv": 1, "tt": 1})
    name = (root / "mix_2_spk_tr.txt").read_text().split()[0]
    samples = soundfile.read(root / name)[0]
    flac = (root / name).with_suffix(".flac")
    soundfile.write(flac, samples, 8000)
    data = bytearray(flac.read_bytes())
    data[21] |= 0x0F  # the upper 4 of the 36 bits that count the samples
    (root / name).write_bytes(data)
    error = one_line(capsys, "--wsj0", root, "--mix-lists", root, "--data-dir", tmp_path / "data", "--jobs", "1")
    assert "mixtures cannot be made" in error and Path(name).name in error and "GB free" not in error


def test_a_list_of_three_talkers_among_lists_of_two_is_refused(tmp_path, capsys):
    root = write_corpus(tmp_path / "corpus", {"tr": 2, "cv": 1, "tt": 1})
    names = sorted(str(path.relative_to(root)) for path in root.rglob("02?0.wav"))[:3]
    (root / "mix_2_spk_tt.txt").write_text(" ".join(f"{name} 0" for name in names))
    error = one_line(capsys, "--wsj0", root, "--mix-lists", root, "--data-dir", tmp_path / "data")
    assert "mix_2_spk_tt.txt: mixtures of 3 talkers found, 2 expected, as in mix_2_spk_tr.txt" in error
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("kept", [0, 20, 44, 1000, "zeros"])
@pytest.mark.parametrize("folder", ["mix", "s1", "s2"])
def test_what_a_crash_left_of_a_file_is_made_again(root, made, tmp_path, folder, kept):
    shutil.copytree(made, tmp_path / "data")
    path = min((tmp_path / "data/wav8k/min/tt" / folder).iterdir())
    whole = path.read_bytes()
    path.write_bytes(bytes(len(whole)) if kept == "zeros" else whole[:kept])
    build_mixtures(MerlSpec(root, root, tmp_path / "data"), jobs=1)
    assert path.read_bytes() == whole and wavs(tmp_path / "data") == wavs(made)


def test_temporary_files_of_a_killed_run_are_removed(root, made, tmp_path):
    shutil.copytree(made, tmp_path / "data")
    for place in ("wav8k/min/.mixed_from.12.tmp.json", "wav8k/min/tt/s1/.a.12.tmp.wav", "tt/.wav.12.tmp.scp"):
        (tmp_path / "data" / place).write_text("half")
    build_mixtures(MerlSpec(root, root, tmp_path / "data"), jobs=1)
    assert sorted(digest(tmp_path / "data")) == sorted(digest(made))


def test_two_runs_do_not_make_one_folder(root, tmp_path, capsys):
    arguments = ["--wsj0", root, "--mix-lists", root, "--data-dir", tmp_path, "--jobs", "1"]
    hold = "import sys, time; from spiking_tasnet.lock import held\n"
    hold += "with held(sys.argv[1], 'wait'): print(flush=True); time.sleep(60)"
    folder = str(tmp_path / "wav8k/min")
    with subprocess.Popen([sys.executable, "-c", hold, folder], stdout=subprocess.PIPE) as other:
        try:
            other.stdout.readline()
            assert f"{folder}: another process is at work there; wait for it, or" in one_line(capsys, *arguments)
            assert not list(tmp_path.rglob("*.wav"))
        finally:
            other.kill()
    assert main(["mix", *map(str, arguments)]) == 0


def test_a_disk_that_fills_up_half_way_leaves_nothing_half_made(root, made, tmp_path, capsys, monkeypatch):
    """The eighth file finds no room after its header; what is there by then is whole, and a rerun makes the rest."""
    write, calls = files._write_pcm, []

    def filling(path, samples, sample_rate):
        calls.append(path)
        if len(calls) >= 8:
            path.write_bytes(b"RIFF")
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, samples, sample_rate)

    arguments = ["--wsj0", root, "--mix-lists", root, "--data-dir", tmp_path, "--jobs", "1"]
    with monkeypatch.context() as patch:
        patch.setattr(files, "_write_pcm", filling)
        error = one_line(capsys, *arguments)
    assert "the disk is full" in error and "not_made" not in error and not list(tmp_path.rglob(".*.tmp*"))
    assert len(wavs(tmp_path)) == 7 and wavs(tmp_path).items() <= wavs(made).items()
    assert not list(tmp_path.rglob("wav.scp"))
    assert main(["mix", *map(str, arguments)]) == 0 and wavs(tmp_path) == wavs(made)


def test_mixtures_of_other_settings_are_not_mixed_in(root, made, capsys, tmp_path):
    other = write_corpus(tmp_path, {"tr": 2, "cv": 1, "tt": 1})
    error = one_line(capsys, "--wsj0", other, "--mix-lists", other, "--data-dir", made)
    assert "mixtures of corpus" in error and "another data folder" in error


@pytest.mark.parametrize(
    "text, message",
    [
        ("[]", "mixtures of corpus None found"),
        ("", "mixed_from.json: not a JSON file"),
        ("more", "mixtures of reverberation large found, None expected"),
    ],
)
def test_a_damaged_record_of_the_settings_is_told(root, made, tmp_path, capsys, text, message):
    shutil.copytree(made, tmp_path / "data")
    path = tmp_path / "data/wav8k/min/mixed_from.json"
    path.write_text(path.read_text().replace("{", '{"reverberation": "large",', 1) if text == "more" else text)
    assert message in one_line(capsys, "--wsj0", root, "--mix-lists", root, "--data-dir", tmp_path / "data")


def test_full_disk_is_seen_before_the_work(root, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(plan.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    error = one_line(capsys, "--wsj0", root, "--mix-lists", root, "--data-dir", tmp_path)
    assert "0.00 GB free" in error and "--limit" in error
    assert not list(tmp_path.rglob("*.wav"))

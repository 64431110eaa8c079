import hashlib
import os
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

from spiking_tasnet.cli.main import main
from spiking_tasnet.separation import corpus as corpus_module
from spiking_tasnet.separation import merl
from spiking_tasnet.separation.activlev import active_level
from spiking_tasnet.separation.audio import write_audio
from spiking_tasnet.separation.kaldi import read_data_dir
from spiking_tasnet.separation.merl import Mixtures, build_mixtures
from spiking_tasnet.separation.mixing import resample


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"), {"tr": 6, "cv": 2, "tt": 3})


@pytest.fixture(scope="module")
def made(root, tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    build_mixtures(Mixtures(root, root, data), jobs=1)
    return data


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_every_sample_against_the_procedure_written_out(root, made):
    line = (root / "mix_2_spk_tt.txt").read_text().splitlines()[0].split()
    (first, gain1, second, gain2) = line
    name = f"{Path(first).stem}_{float(gain1):.5g}_{Path(second).stem}_{float(gain2):.5g}.wav"
    parts = []
    for path, gain in ((first, gain1), (second, gain2)):
        samples = soundfile.read(root / path)[0]
        parts.append(samples / np.sqrt(active_level(samples, 8000)) * 10 ** (float(gain) / 20))
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
            assert utterance.speakers == tuple(name[:3] for name in utterance.id.split("_")[::2])
            sexes = {"a": "M", "b": "F", "c": "M", "d": "F"} | ({"d": "?"} if subset != "tt" else {})
            assert utterance.genders == tuple(sexes[speaker[-1]] for speaker in utterance.speakers)


def test_limit_takes_the_first_lines(root, tmp_path):
    build_mixtures(Mixtures(root, root, tmp_path, limit=1), jobs=1)
    line = (root / "mix_2_spk_tr.txt").read_text().split()
    (only,) = read_data_dir(tmp_path / "tr")
    assert only.id.startswith(Path(line[0]).stem + "_")


def test_published_levels_and_max_mode(root, tmp_path):
    names = {path.stem for path in root.rglob("*.wav")}
    (tmp_path / "activlev_x.txt").write_text("".join(f"{name} 0.01\n" for name in names))
    build_mixtures(Mixtures(root, root, tmp_path, tmp_path, mode="max", limit=1), jobs=1)
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
    build_mixtures(Mixtures(root, root, tmp_path / "data"), jobs=1)
    for path in (tmp_path / "data").rglob("*.wav"):
        assert soundfile.info(path).samplerate == 8000
    build_mixtures(Mixtures(root, root, tmp_path / "data", sample_rate=16000), jobs=1)
    assert soundfile.info(next((tmp_path / "data/wav16k").rglob("*.wav"))).samplerate == 16000


def test_files_of_16_khz_have_the_level_of_their_8_khz_version(tmp_path):
    """As MERL's scripts have it; a whistle at 6 kHz, which is lost at 8 kHz, must not lower the talker below it."""
    root = write_corpus(tmp_path / "corpus", {"tr": 1, "cv": 1, "tt": 1}, rate=16000)
    (first, gain1, second, gain2) = (root / "mix_2_spk_tt.txt").read_text().split()
    samples = soundfile.read(root / first)[0]
    write_audio(root / first, samples + 0.1 * np.sin(2 * np.pi * 6000 * np.arange(len(samples)) / 16000), 16000)
    build_mixtures(Mixtures(root, root, tmp_path / "data", sample_rate=16000), jobs=1)
    (utterance,) = read_data_dir(tmp_path / "data/tt")
    originals = [soundfile.read(root / name)[0] for name in (first, second)]
    found = [soundfile.read(path)[0] for path in utterance.sources]
    ratio = np.divide(*[np.abs(s).max() / np.abs(o[: len(s)]).max() for s, o in zip(found, originals, strict=True)])
    levels = {rate: [active_level(resample(o, 16000, rate), rate) for o in originals] for rate in (8000, 16000)}
    expected = {rate: 10 ** ((float(gain1) - float(gain2)) / 20) * np.sqrt(b / a) for rate, (a, b) in levels.items()}
    assert ratio == pytest.approx(expected[8000], rel=1e-3)
    assert abs(expected[16000] / expected[8000] - 1) > 0.02


def test_a_second_run_makes_nothing_again(root, made, monkeypatch):
    monkeypatch.setattr(merl, "mix_task", lambda *_: pytest.fail("made again"))
    before = digest(made)
    build_mixtures(Mixtures(root, root, made), jobs=1)
    assert digest(made) == before


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A corpus of mixtures enough to be killed ten times, and what an uninterrupted run makes of it."""
    root = write_corpus(tmp_path_factory.mktemp("many"), {"tr": 100, "cv": 50, "tt": 100})
    build_mixtures(Mixtures(root, root, root / "whole"), jobs=1)
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
        for utterance, speaker in tables["utt2spk"]:
            inverse.setdefault(speaker, []).append(utterance)
        lines = [line.split() for line in (made / subset / "spk2utt").read_text().splitlines()]
        assert {speaker: members for speaker, *members in lines} == inverse
        assert [speaker for speaker, *_ in lines] == sorted(inverse)
        for name in names[:3]:
            assert all(path.startswith("../") and (made / subset / path).is_file() for _, path in tables[name])
        # Kaldi and ESPnet start relative paths where they run: sed "s# ../# $PWD/data/#" makes them absolute.
        absolute = shutil.copytree(made / subset, tmp_path / subset)
        for name in names[:3]:
            (absolute / name).write_text((absolute / name).read_text().replace(" ../", f" {made}/"))
        assert read_data_dir(absolute) == read_data_dir(made / subset)


def test_processes_give_the_same(root, made, tmp_path):
    build_mixtures(Mixtures(root, root, tmp_path), jobs=2)
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


def test_mixtures_of_other_settings_are_not_mixed_in(root, made, capsys, tmp_path):
    other = write_corpus(tmp_path, {"tr": 2, "cv": 1, "tt": 1})
    error = one_line(capsys, "--wsj0", other, "--mix-lists", other, "--data-dir", made)
    assert "mixtures of corpus" in error and "another --data-dir" in error


def test_full_disk_is_seen_before_the_work(root, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(corpus_module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    error = one_line(capsys, "--wsj0", root, "--mix-lists", root, "--data-dir", tmp_path)
    assert "0.00 GB free" in error and "--limit" in error
    assert not list(tmp_path.rglob("*.wav"))

"""The synthesised corpus of egs/mini-2mix: what is drawn, what is heard, and that a rerun gives the same bytes."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
LOCAL = ROOT / "egs" / "mini-2mix" / "local"
sys.path.insert(0, str(LOCAL))

pytest.importorskip("soxr", reason="soxr is not installed; it comes with the extra [espeak]")

import isolate  # noqa: E402
import sentences  # noqa: E402
import talkers  # noqa: E402
import voice  # noqa: E402
from pairs import draw_mixtures  # noqa: E402

SMALL = "--train-talkers 4 --test-talkers 4 --utterances 4 --test-utterances 3 --mixtures 8,4,4".split()
RATE = 8000


def run_script(out: Path, *options: str, shadow: Path | None = None, **variables: str) -> subprocess.CompletedProcess:
    paths = [str(path) for path in (shadow, ROOT) if path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | variables
    command = [sys.executable, str(LOCAL / "synthesise.py"), "--out", str(out), *SMALL, *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    pytest.importorskip("espeakng_loader", reason="espeakng-loader is not installed: pip install espeakng-loader")
    out = tmp_path_factory.mktemp("mini")
    result = run_script(out)
    assert result.returncode == 0, result.stderr
    return out


def read_lists(corpus: Path) -> dict[str, list[list[str]]]:
    names = ("tr", "cv", "tt")
    return {n: [line.split() for line in (corpus / f"mix_2_spk_{n}.txt").read_text().splitlines()] for n in names}


def test_audio_is_8_khz_int16_of_ordinary_length_without_clipping(corpus):
    soundfile = pytest.importorskip("soundfile")
    files = sorted(corpus.glob("mini/*/*/*.wav"))
    assert len(files) == 4 * 4 + 4 * 3
    for file in files:
        info = soundfile.info(file)
        assert (info.samplerate, info.channels, info.subtype) == (RATE, 1, "PCM_16")
        samples, _ = soundfile.read(file)
        assert 2.0 < len(samples) / RATE < 5.2
        assert np.abs(samples).max() == pytest.approx(voice.PEAK, abs=1e-3)
        quiet = 10 ** (-45 / 20) * voice.PEAK
        loud = np.flatnonzero(np.abs(samples) > quiet)
        assert loud[0] < 0.15 * RATE and len(samples) - loud[-1] < 0.15 * RATE


def test_lists_are_merl_format_and_never_mix_a_talker_with_themself(corpus):
    lists = read_lists(corpus)
    assert {name: len(lines) for name, lines in lists.items()} == {"tr": 8, "cv": 4, "tt": 4}
    used = {name: {path for line in lines for path in line[::2]} for name, lines in lists.items()}
    talker_sets = {name: {Path(path).parent.name for path in paths} for name, paths in used.items()}
    assert not used["tr"] & used["cv"]
    assert not (talker_sets["tr"] | talker_sets["cv"]) & talker_sets["tt"]
    assert talker_sets["cv"] <= talker_sets["tr"]
    for lines in lists.values():
        for path1, gain1, path2, gain2 in lines:
            assert (corpus / path1).is_file() and (corpus / path2).is_file()
            assert Path(path1).parent != Path(path2).parent
            assert 0 <= float(gain1) <= 2.5 and float(gain1) == -float(gain2)


def test_speaker_table_has_the_columns_of_wsj0(corpus):
    lines = (corpus / "mini" / "doc" / "spkrinfo.txt").read_text().splitlines()
    rows = [line.split() for line in lines if not line.startswith(";")]
    folders = {(p.name, p.parent.name) for p in corpus.glob("mini/si_*/*")}
    assert {(row[0], row[3]) for row in rows} == folders
    assert Counter(row[1] for row in rows) == {"M": 4, "F": 4}


def test_pitch_is_the_talkers_own(corpus):
    librosa = pytest.importorskip("librosa")
    import soundfile

    for talker in json.loads((corpus / "mini" / "doc" / "talkers.json").read_text()):
        pitches = []
        for file in corpus.glob(f"mini/*/{talker['id']}/*.wav"):
            samples, _ = soundfile.read(file)
            frames = {"frame_length": 512, "hop_length": 128}
            pitch = librosa.yin(samples, fmin=60, fmax=400, sr=RATE, **frames)
            energy = librosa.feature.rms(y=samples, **frames)[0]
            pitches.append(np.median(pitch[energy > 0.3 * energy.max()]))
        assert np.median(pitches) == pytest.approx(talker["f0"], rel=0.2), talker
        assert np.median(pitches) < 160 if talker["gender"] == "M" else np.median(pitches) > 160, talker


def test_rerun_restart_and_number_of_processes_give_the_same_bytes(corpus, tmp_path):
    whole = contents(corpus)
    assert run_script(tmp_path, "--jobs", "1").returncode == 0
    assert contents(tmp_path) == whole
    for path in ("mini/si_tr_s/t002/t002_003.wav", "mini/si_et_05/e001/e001_001.wav", "mix_2_spk_tr.txt"):
        (tmp_path / path).unlink()  # as after an interruption; t002_003 must not depend on being spoken alone
    assert run_script(tmp_path, "--jobs", "3").returncode == 0
    assert contents(tmp_path) == whole


def test_data_under_a_long_path_gives_the_same_bytes_and_leaves_no_trace(corpus, tmp_path):
    import espeakng_loader

    deep = tmp_path / ("a" * 90) / ("b" * 90)  # espeak-ng's own limit is about 155 characters
    deep.mkdir(parents=True)
    (deep / "espeak-ng-data").symlink_to(espeakng_loader.get_data_path())
    (tmp_path / "espeakng_loader.py").write_text(
        f"def get_library_path():\n    return {espeakng_loader.get_library_path()!r}\n"
        f"def get_data_path():\n    return {str(deep / 'espeak-ng-data')!r}\n"
    )
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    result = run_script(tmp_path / "corpus", shadow=tmp_path, TMPDIR=str(temporary))
    assert result.returncode == 0, result.stderr
    assert contents(tmp_path / "corpus") == contents(corpus)
    assert not list(temporary.glob("espeak*"))


def test_folder_of_other_settings_is_refused(corpus):
    before = contents(corpus)
    result = run_script(corpus, "--seed", "7")
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1 and "(different: seed)" in result.stderr
    assert contents(corpus) == before


def test_missing_espeak_is_one_line_that_says_what_to_install(tmp_path):
    (tmp_path / "espeakng_loader.py").write_text("raise ImportError('hidden by the test')\n")
    result = run_script(tmp_path / "corpus", shadow=tmp_path)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1 and "pip install espeakng-loader" in result.stderr
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--train-talkers", "3"], "--train-talkers 3: expected at least 4"),
        (["--mixtures", "5,5"], "expected three positive numbers"),
        (["--utterances", "1"], "expected at least 2"),
        (["--mixtures", "4000,4,4"], "4000 mixtures asked for"),
        (["--jobs", "0"], "--jobs 0: expected at least 1"),
        (["--sample-rate", "100"], "--sample-rate 100: expected 6000"),
    ],
)
def test_impossible_settings_are_one_line(tmp_path, options, message):
    result = run_script(tmp_path / "corpus", *options)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1 and message in result.stderr


def test_variants_exist_and_every_one_is_used_or_excluded_for_a_reason():
    pytest.importorskip("espeakng_loader", reason="espeakng-loader is not installed: pip install espeakng-loader")
    from espeak import available_variants

    used = {*talkers.TRAIN_MALE, *talkers.TRAIN_FEMALE, *talkers.TEST_MALE, *talkers.TEST_FEMALE}
    excluded = {variant for variants in talkers.EXCLUDED.values() for variant in variants}
    assert not used & excluded
    assert used | excluded <= set(available_variants())


def test_talkers_of_the_default_size_are_balanced_and_test_voices_are_new():
    drawn = talkers.draw_talkers(144, 16, seed=0)
    train = [t for t in drawn if t.subset == "si_tr_s"]
    test = [t for t in drawn if t.subset == "si_et_05"]
    assert Counter(t.gender for t in train) == {"M": 72, "F": 72}
    assert Counter(t.gender for t in test) == {"M": 8, "F": 8}
    assert not {t.variant for t in train} & {t.variant for t in test}
    assert len({t.id for t in drawn}) == len({(t.variant, t.accent, t.f0, t.tract) for t in drawn}) == 160
    assert drawn == talkers.draw_talkers(144, 16, seed=0) != talkers.draw_talkers(144, 16, seed=1)


def test_mixtures_are_half_of_different_sex_and_use_utterances_evenly():
    paths = {sex: {f"{sex}{i}": [f"{sex}{i}/{j}" for j in range(10)] for i in range(5)} for sex in "MF"}
    lines = [line.split() for line in draw_mixtures(paths, 200, np.random.default_rng(0))]
    kinds = Counter(line[0][0] + line[2][0] for line in lines)
    assert kinds == {"MM": 50, "FF": 50, "MF": 50, "FM": 50}
    assert len({frozenset(line[::2]) for line in lines}) == 200
    assert all(line[0].split("/")[0] != line[2].split("/")[0] for line in lines)
    uses = Counter(path for line in lines for path in line[::2])
    assert len(uses) == 100 and max(uses.values()) <= 7  # 4 on average
    differences = [2 * float(line[1]) for line in lines]
    assert 0 <= min(differences) < 0.3 and 4.7 < max(differences) <= 5


def test_sentences_are_distinct_and_of_moderate_length():
    drawn = sentences.draw_sentences(2432, seed=0)
    assert len(set(drawn)) == 2432
    assert set(sentences.written()) <= set(drawn) and len(set(sentences.written())) >= 150
    assert all(5 <= len(sentence.split()) <= 17 and sentence[-1] in ".?" for sentence in drawn)
    assert drawn != sentences.draw_sentences(2432, seed=1)


def test_exhausted_grammar_is_said(monkeypatch):
    monkeypatch.setattr(sentences, "TEMPLATES", ((["the same old sentence again and again, every single day"],),))
    with pytest.raises(ValueError, match="200 utterances asked for, 15. different sentences found; ask for fewer"):
        sentences.draw_sentences(200, seed=0)


@pytest.mark.parametrize("f0", [80.0, 130.0, 210.0, 260.0])
def test_median_f0_of_a_pulse_train(f0):
    time = np.arange(RATE) / RATE
    harmonics = sum(np.cos(2 * np.pi * k * f0 * time) / k for k in range(1, int(3800 / f0)))
    assert voice.median_f0(harmonics.astype(np.float32), RATE) == pytest.approx(f0, rel=0.02)


def test_noise_has_no_pitch():
    with pytest.raises(ValueError, match="no voiced speech"):
        voice.median_f0(np.random.default_rng(0).standard_normal(RATE), RATE)


def test_shorter_tract_raises_frequencies_and_shortens():
    rate_in = 22050
    tone = np.sin(2 * np.pi * 500 * np.arange(rate_in) / rate_in)
    scaled = voice.scale_tract(tone, rate_in, RATE, 1.2)
    assert len(scaled) == pytest.approx(RATE / 1.2, abs=2)
    spectrum = np.abs(np.fft.rfft(scaled * np.hanning(len(scaled))))
    assert spectrum.argmax() * RATE / len(scaled) == pytest.approx(600, abs=2)


@pytest.mark.parametrize("silence", [0, 240, 8000])
def test_trim_leaves_the_margin(silence):
    speech = np.ones(4000, dtype=np.float32)
    trimmed = voice.trim(np.pad(speech, silence), RATE)
    margin = int(voice.MARGIN_SECONDS * RATE)
    assert len(trimmed) == 4000 + 2 * margin
    np.testing.assert_array_equal(trimmed, np.pad(speech, margin))


def test_isolated_calls_return_raise_and_die():
    assert sorted(isolate.run_isolated(abs, [(-1,), (2,), (-3,)], jobs=2)) == [1, 2, 3]
    with pytest.raises(ValueError, match="invalid literal"):
        list(isolate.run_isolated(int, [("x",)], jobs=1))
    with pytest.raises(ChildProcessError, match="exit code 3"):
        list(isolate.run_isolated(os._exit, [(3,)], jobs=1))

"""Libri2Mix by its metadata, against LibriMix's procedure written out independently."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly
from tiny_librispeech import RATE, write_librispeech

from spiking_tasnet.cli.main import main
from spiking_tasnet.separation.corpora.kaldi import read_data_dir
from spiking_tasnet.separation.corpora.librimix import LibriMixSpec, build_librimix, plan_librimix, read_noise
from spiking_tasnet.separation.corpora.metadata import read_metadata
from spiking_tasnet.separation.data import Segments

ROWS = {"train-clean-100": 4, "dev-clean": 2, "test-clean": 2}
SUBSETS = {"tr": ("train-100", "train-clean-100"), "cv": ("dev", "dev-clean"), "tt": ("test", "test-clean")}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_librispeech(tmp_path_factory.mktemp("libri"), ROWS)


def options(corpus, data_dir, **more):
    speech, metadata, wham = corpus
    return LibriMixSpec(speech, metadata, data_dir, train_set="train-100", **({"wham": wham} | more))


def written_out(row, corpus, rate, mode):
    """Both talkers, then the noise, one row each: scaled at 16 kHz, resampled, of one length."""
    speech, _, wham = corpus
    signals = [soundfile.read(speech / row[f"source_{n}_path"])[0] for n in (1, 2)]
    longest = max(map(len, signals))
    noise = soundfile.read(wham / row["noise_path"])[0][:, 0]
    fade, longer = 8001, list(noise)
    while len(longer) < longest:
        weight = [0.5 - 0.5 * np.cos(np.pi * k / 8000) for k in range(fade)]
        for k in range(fade):
            longer[len(longer) - fade + k] = (
                longer[len(longer) - fade + k] * weight[fade - 1 - k] + noise[k] * weight[k]
            )
        longer.extend(noise[fade:])
    signals.append(np.array(longer[:longest]))
    factors = [float(row[name]) for name in ("source_1_gain", "source_2_gain", "noise_gain")]
    signals = [resample_poly(s * f, rate, RATE) for s, f in zip(signals, factors, strict=True)]
    if mode == "min":
        return np.stack([s[: min(map(len, signals))] for s in signals])
    return np.stack([np.pad(s, (0, max(map(len, signals)) - len(s))) for s in signals])


@pytest.mark.parametrize("rate, mode", [(8000, "min"), (16000, "max")])
def test_every_sample_within_one_step_of_16_bits(corpus, tmp_path, rate, mode):
    wanted = options(corpus, tmp_path, sample_rate=rate, mode=mode)
    build_librimix(wanted, jobs=1)
    plan = plan_librimix(wanted)
    for tasks in plan.subsets.values():
        made = [soundfile.info(task.utterance.mixture).duration for task in tasks]
        assert plan.duration(tasks) == pytest.approx(sum(made), abs=1e-3 * len(made))
    for subset, (folder, name) in SUBSETS.items():
        audio = tmp_path / f"wav{rate // 1000}k" / mode / folder
        with open(corpus[1] / f"libri2mix_{name}.csv", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert len(read_data_dir(tmp_path / subset)) == len(rows) == ROWS[name]
        for row in rows:
            one, two, noise = written_out(row, corpus, rate, mode)
            for part, expected in {
                "s1": one,
                "s2": two,
                "noise": noise,
                "mix_clean": one + two,
                "mix_both": one + two + noise,
            }.items():
                found, found_rate = soundfile.read(audio / part / f"{row['mixture_ID']}.wav", dtype="int16")
                assert found_rate == rate and len(found) == len(expected)
                assert np.abs(found - 32768 * expected).max() <= 1


def test_noisy_mixtures_with_noise_clean_ones_without(corpus, tmp_path):
    build_librimix(options(corpus, tmp_path / "noisy"), jobs=1)
    build_librimix(options(corpus, tmp_path / "clean", wham=None), jobs=1)
    for noisy, clean in zip(*(read_data_dir(tmp_path / kind / "tt") for kind in ("noisy", "clean")), strict=True):
        assert noisy.mixture.parent.name == "mix_both" and noisy.noise.parent.name == "noise"
        assert clean.mixture.parent.name == "mix_clean" and clean.noise is None
        assert [path.read_bytes() for path in noisy.sources] == [path.read_bytes() for path in clean.sources]
        assert noisy.genders == clean.genders and noisy.group == "diff"
        assert noisy.talkers == tuple(Path(part).name.split("-")[0] for part in noisy.id.split("_"))
    assert not (tmp_path / "clean/wav8k/min/test/noise").exists()


def test_training_hears_the_noise(corpus, tmp_path):
    build_librimix(options(corpus, tmp_path), jobs=1)
    utterances = read_data_dir(tmp_path / "cv")
    segments = Segments(utterances, 0.5, 8000, training=False)
    for index, (item, start) in enumerate(segments.keys):
        mixture, sources = segments[0, index]
        whole = soundfile.read(utterances[item].mixture)[0][start : start + 4000]
        np.testing.assert_allclose(mixture.numpy(), whole, atol=3 / 32768)
        assert np.abs(mixture.numpy() - sources.numpy().sum(0)).max() > 0.01
    mixture, sources = Segments(utterances, 0.5, 8000, training=True, remix=True)[3, 0]
    assert np.abs(mixture.numpy() - sources.numpy().sum(0)).max() > 0.01


def test_noise_is_cut_or_runs_into_its_beginning(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 20000)
    soundfile.write(tmp_path / "noise.wav", noise, RATE, subtype="DOUBLE")
    np.testing.assert_allclose(read_noise(tmp_path / "noise.wav", 15000), noise[:15000], atol=1e-7)
    longer = read_noise(tmp_path / "noise.wav", 30000)
    assert len(longer) == 30000
    np.testing.assert_allclose(longer[: 20000 - 8001], noise[: 20000 - 8001], atol=1e-7)
    np.testing.assert_allclose(longer[20000:30000], noise[8001:18001], atol=1e-7)
    with pytest.raises(ValueError, match="8001 samples found, more than 8001 expected"):
        soundfile.write(tmp_path / "short.wav", noise[:8001], RATE)
        read_noise(tmp_path / "short.wav", 9000)


def as_a_spreadsheet_saves_it(rows, columns):
    """`;`, a decimal comma, backslashes, quotes, another order of columns and one more."""
    lines = [";".join(f'"{name.upper()}"' for name in (*columns, "length"))]
    for row in rows:
        cells = [row[name].replace(".", ",") if name.endswith("_gain") else row[name] for name in columns]
        cells = [cell.replace("/", "\\") for cell in cells]
        lines.append(";".join(f'"{cell}"' for cell in (*cells, "48000")))
    return lines


def with_tabs(rows, columns):
    lines = ["\t".join((*columns, "note"))]
    return lines + ["\t".join((*(row[name] for name in columns), "a, b; c")) for row in rows]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
@pytest.mark.parametrize("form", [as_a_spreadsheet_saves_it, with_tabs])
def test_metadata_that_went_through_a_spreadsheet(corpus, tmp_path, form, encoding):
    for path in corpus[1].glob("*-*.csv"):
        if path.stem.endswith("_info"):
            continue
        with open(path, newline="") as stream:
            rows = list(csv.DictReader(stream))
        text = "\r\n".join([*form(rows, sorted(rows[0])), ""])
        (tmp_path / path.name).write_bytes(text.encode(encoding))
        found = read_metadata(tmp_path / path.name, with_noise=True)
        assert found == read_metadata(path, with_noise=True) and len(found) == len(rows)
        assert [row.number for row in found] == list(range(2, 2 + len(rows)))


def test_a_bad_recording_names_its_rows_and_the_others_are_made(corpus, tmp_path, capsys):
    speech = shutil.copytree(corpus[0], tmp_path / "speech")
    with open(corpus[1] / "libri2mix_dev-clean.csv", newline="") as stream:
        row = next(csv.DictReader(stream))
    soundfile.write(speech / row["source_1_path"], np.zeros(RATE), RATE)
    line = one_line(capsys, (speech, *corpus[1:]), tmp_path / "data")
    assert "1 of 8 mixtures cannot be made" in line and "libri2mix_dev-clean.csv: line 2" in line
    assert f"{row['mixture_ID']}: source 1 is silent" in line
    assert len(list((tmp_path / "data").rglob("mix_both/*.wav"))) == 7


def test_limit_counts_and_unknown_talkers(corpus, tmp_path, caplog):
    plan = plan_librimix(options(corpus, tmp_path))
    assert "train-100: 4 mixtures found, 13900 expected in Libri2Mix" in caplog.text
    assert [len(tasks) for tasks in plan.subsets.values()] == [4, 2, 2]
    caplog.clear()
    plan = plan_librimix(options(corpus, tmp_path, limit=1))
    assert [len(tasks) for tasks in plan.subsets.values()] == [1, 1, 1] and not caplog.text


def one_line(capsys, corpus, data_dir, **changed):
    speech, metadata, wham = corpus
    words = {"librispeech": speech, "metadata": metadata, "wham": wham, "train-set": "train-100", "data-dir": data_dir}
    arguments = [word for name, value in (words | changed).items() for word in (f"--{name}", str(value))]
    assert main(["mix-librimix", *arguments, "--jobs", "1"]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    return line


def test_mistakes(corpus, tmp_path, capsys):
    data = tmp_path / "data"
    assert "no such folder; check --librispeech" in one_line(capsys, corpus, data, librispeech=tmp_path / "nowhere")
    assert "no such folder; check --wham" in one_line(capsys, corpus, data, wham=tmp_path / "nowhere")
    assert "libri2mix_train-clean-100.csv: no such file" in one_line(capsys, corpus, data, metadata=tmp_path)
    assert "'train-500' found, train-100 or train-360 expected" in one_line(
        capsys, corpus, data, **{"train-set": "train-500"}
    )
    (tmp_path / "empty").mkdir()
    message = one_line(capsys, corpus, data, librispeech=tmp_path / "empty")
    assert "files that the lists name are missing, the first is dev-clean/" in message
    assert "the first is cv/noise" in one_line(capsys, corpus, data, wham=tmp_path / "empty")
    assert not data.exists()


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("source_2_gain", "gain", "no column source_2_gain found"),
        ("noise_gain", "loudness", "no column noise_gain found"),
        (",dev-clean", ",/dev-clean", "a path below the corpus root expected"),
        (",dev-clean/", ",dev-clean\\..\\..\\", "line 2: source_1_path"),
        (",dev-clean/", ",C:\\dev-clean\\", "a path below the corpus root expected"),
        ("\n84-", "\n../../84-", "line 2: mixture '../../84-100-0000_174-101-0000' found"),
        ("\n84-", "\n..\\84-", "a file name without slashes expected"),
        ("\n84-", "\n-84-", "neither . nor - expected"),
        ("\n84-", "\n.84-", "neither . nor - expected"),
        ("\n84-", "\n84\x07-", "a file name without spaces expected"),
        ("\n84-", f"\n{'8' * 230}-", "a mixture whose name has 252 bytes found"),
        ("/84-100-0000.flac", "/-100-0000.flac", "talker '' found"),
        (".wav,0", ".wav,1e300", "noise_gain '1e300"),
        (".wav,0", ".wav,much", "noise_gain 'much"),
        (".wav,0", ".wav,nan 0", "noise_gain 'nan"),
        ("84-100", "84 100", "a file name without spaces expected"),
        (None, None, "is there twice, first in line 2"),
        (None, "", "no rows found"),
    ],
)
def test_bad_metadata_is_named_by_its_line(corpus, tmp_path, capsys, old, new, message):
    metadata = tmp_path / "metadata"
    metadata.mkdir()
    for path in corpus[1].iterdir():
        text = path.read_text()
        if path.name == "libri2mix_dev-clean.csv":
            header, *rows = text.splitlines(keepends=True)
            if old:
                text = text.replace(old, new, 1)
            else:
                text = header + ("" if new == "" else rows[0] + rows[0])
        (metadata / path.name).write_text(text)
    line = one_line(capsys, corpus, tmp_path / "data", metadata=metadata)
    assert message in line and "libri2mix_dev-clean.csv" in line
    assert not (tmp_path / "data").exists()

"""The listening page: its sounds and pictures decode, nothing is fetched, and a browser plays it from disk."""

import base64
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from PIL import Image
from tiny_experiment import GENDERS, NOISE, RATE, write_experiment

from spiking_tasnet.cli.main import main
from spiking_tasnet.separation.corpora.kaldi import read_data_dir
from spiking_tasnet.separation.report import page as page_module
from spiking_tasnet.separation.report.choice import choose
from spiking_tasnet.separation.report.media import RANGE_DB, rms, sound_bytes, spectrogram_db, spectrogram_png
from spiking_tasnet.separation.report.page import Page, Table, common_gain, matched, render, write_page
from spiking_tasnet.separation.report.results import load_experiment
from spiking_tasnet.separation.scores.metrics import si_sdr
from spiking_tasnet.separation.scores.rows import ScoreRow, write_scores
from spiking_tasnet.separation.scores.score_set import score_set

PLAYERS = 4 * 7  # mixture, two references, two talkers from each network


class Tags(HTMLParser):
    """Collects every element with its attributes."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict]:
        return [attrs for name, attrs in self.found if name == tag]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The page of a tiny experiment: (path, text, tags)."""
    data, exp = write_experiment(tmp_path_factory.mktemp("page"), seed=5)
    for subset in ("cv", "tt"):
        for system in ("mixture", *NOISE):
            est_dir = None if system == "mixture" else exp / "separated" / system / subset
            rows = score_set(data / subset, est_dir, ["si_sdr", "stoi"], jobs=1)
            write_scores(exp / "scores" / f"{system}_{subset}.csv", rows)
    path = exp / "demo" / "index.html"
    write_page(path, load_experiment(exp), data)
    text = path.read_text(encoding="utf-8")
    return path, text, Tags(text)


def decode(address: str, media_type: str) -> bytes:
    start = f"data:{media_type};base64,"
    assert address.startswith(start)
    return base64.b64decode(address[len(start) :], validate=True)


def test_every_sound_is_16_bit_audio_that_is_not_clipped(built):
    sounds = built[2].all("audio")
    assert len(sounds) == PLAYERS
    peaks = []
    for sound in sounds:
        assert sound["aria-label"] and "controls" in sound
        content = io.BytesIO(decode(sound["src"], "audio/wav"))
        info = soundfile.info(content)
        assert (info.samplerate, info.channels, info.subtype, info.frames) == (RATE, 1, "PCM_16", 12000)
        content.seek(0)
        peaks.append(np.max(np.abs(soundfile.read(content)[0])))
    by_example = np.reshape(peaks, (4, 7))
    np.testing.assert_allclose(by_example.max(axis=1), page_module.PEAK, atol=1e-3)


def test_sounds_stand_beside_their_reference(built):
    sounds = [soundfile.read(io.BytesIO(decode(s["src"], "audio/wav")))[0] for s in built[2].all("audio")]
    labels = [s["aria-label"] for s in built[2].all("audio")]
    assert labels[:7] == [
        f"{name}, example 1"
        for name in (
            "Mixture",
            "Talker 1: reference",
            "Talker 1: ANN",
            "Talker 1: SNN",
            "Talker 2: reference",
            "Talker 2: ANN",
            "Talker 2: SNN",
        )
    ]
    for place in range(0, PLAYERS, 7):
        _, ref1, ann1, snn1, ref2, ann2, snn2 = sounds[place : place + 7]
        for ref, ann, snn in ((ref1, ann1, snn1), (ref2, ann2, snn2)):
            assert si_sdr(ann, ref) == pytest.approx(20, abs=1.5)
            assert si_sdr(snn, ref) == pytest.approx(14, abs=1.5)
            assert rms(ann) == pytest.approx(rms(ref), rel=0.01)


def test_every_picture_decodes_and_has_a_text(built):
    pictures = built[2].all("img")
    assert len(pictures) == PLAYERS
    for picture in pictures:
        assert picture["alt"].startswith("Spectrogram of ")
        with Image.open(io.BytesIO(decode(picture["src"], "image/png"))) as image:
            assert image.size == (126, 129)


def test_the_page_needs_no_network_and_is_small(built):
    path, text, tags = built
    for _, attrs in tags.found:
        for name in ("src", "href"):
            assert attrs.get(name, "data:").startswith("data:")
    assert not re.search(r"https?://|@import|url\(", text)
    assert path.stat().st_size < 8e6
    assert "$" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)


def test_the_largest_page_stays_under_8_mb():
    """Four examples of seven players of eight seconds of noise, the worst case for the pictures."""
    noise = np.random.default_rng(0).uniform(-1, 1, page_module.MAX_SAMPLES)
    player = len(sound_bytes(noise, RATE)) + len(spectrogram_png(noise, RATE, 1.0))
    assert PLAYERS * player * 4 / 3 < 7.8e6


def test_choice_is_the_median_by_kind_and_says_so():
    def row(kind, gain):
        return ScoreRow(f"{kind}{gain}", "", tuple(kind), (0, 1), {"si_sdr_i": gain})

    rows = [row(kind, gain) for kind in ("MF", "FM", "MM", "FF") for gain in (5.0, 1.0, 3.0)]
    picks = choose(rows)
    assert [(pick.row.utt, pick.rank, pick.count) for pick in picks] == [
        ("FM3.0", 3, 6),
        ("FM5.0", 5, 6),
        ("MM3.0", 2, 3),
        ("FF3.0", 2, 3),
    ]
    assert [pick.row.utt for pick in choose([row("??", gain) for gain in (2.0, 1.0, 4.0)])] == ["??2.0", "??4.0"]
    assert len(choose([row("MF", 1.0)])) == 1


def test_levels_follow_the_references_and_silence_stays_silent():
    rng = np.random.default_rng(0)
    sources = rng.standard_normal((2, 1000)) * [[0.1], [0.02]]
    estimates = matched(np.stack([7 * sources[1], np.zeros(1000)]), sources)
    np.testing.assert_allclose(estimates[1], sources[1])
    assert not estimates[0].any()
    assert common_gain([sources[0], sources[1]]) * np.abs(sources).max() == pytest.approx(page_module.PEAK)
    assert common_gain([np.zeros(3)]) == 1
    with pytest.raises(ValueError, match="rescale before writing"):
        sound_bytes(np.array([0.0, 1.5]), RATE)


def test_spectrogram_shows_a_tone_at_its_frequency_and_level():
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    decibels = spectrogram_db(tone, RATE, level=1.0)
    middle = decibels[:, decibels.shape[1] // 2]
    assert np.argmax(middle) == round(1000 * 0.032)
    assert middle.max() == pytest.approx(20 * np.log10(4 * 0.1), abs=0.1)
    assert middle[100] == -RANGE_DB
    assert np.all(spectrogram_db(np.zeros(RATE), RATE, 1.0) == -RANGE_DB)


def test_gender_pairs_of_the_corpus_appear(built):
    text = built[1]
    assert text.count("a woman and a man") == sum(len(set(pair)) == 2 for pair in GENDERS)
    assert text.count("two men") == text.count("two women") == 1


def test_chosen_mixtures_as_small_files_beside_the_page(built, tmp_path, capsys):
    exp = built[0].parents[1]
    data, page = exp.parents[1] / "data", tmp_path / "docs" / "listen.html"
    names = ["tt-mixture-3", "tt-mixture-0"]
    options = [word for name in names for word in ("--example", name)]
    words = ["report", "--exp", exp, "--data", data, "--page", page, "--link", "--credit", "Speech: A & B", *options]
    before = sorted(path for path in exp.rglob("*"))
    assert main([str(word) for word in words]) == 0
    assert capsys.readouterr().out.split() == [str(page)] and sorted(path for path in exp.rglob("*")) == before
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"<code>(.*?)</code>", text) == names
    assert "Speech: A &amp; B" in text and "were chosen by hand" in text and "base64" not in text
    sounds, pictures = ([page.parent / attrs["src"] for attrs in Tags(text).all(tag)] for tag in ("audio", "img"))
    assert len(sounds) == len(pictures) == 14
    assert {*sounds, *pictures} == set((tmp_path / "docs" / "listen").iterdir())
    embedded = [sound["src"] for sound in built[2].all("audio")]
    (whole,) = [place for place, pick in enumerate(re.findall(r"<code>(.*?)</code>", built[1])) if pick == names[1]]
    for linked, inside in zip(sounds[7:], embedded[7 * whole : 7 * whole + 7], strict=True):
        expected = soundfile.read(io.BytesIO(decode(inside, "audio/wav")))[0]
        np.testing.assert_allclose(soundfile.read(linked)[0], expected, atol=1.01 / 2**15)  # FLAC's encoder rounds down
    for picture in pictures:
        with Image.open(picture) as image:
            image.verify()
    assert main([*map(str, words), "--example", "nobody"]) == 1
    assert "mixture nobody: no scores" in capsys.readouterr().err


def test_typical_mixtures_of_at_most_some_seconds(tmp_path, capsys):
    data, exp = write_experiment(tmp_path, seed=5)
    utterances = read_data_dir(data / "tt")
    short = {utterances[0].id, utterances[3].id}
    for system in ("mixture", *NOISE):
        est_dir = None if system == "mixture" else exp / "separated" / system / "tt"
        write_scores(exp / "scores" / f"{system}_tt.csv", score_set(data / "tt", est_dir, ["si_sdr"], jobs=1))
    for utterance in utterances:
        if utterance.id not in short:
            samples, rate = soundfile.read(utterance.mixture)
            soundfile.write(utterance.mixture, np.concatenate([samples, samples]), rate)
    words = ["report", "--exp", exp, "--data", data, "--page", tmp_path / "page.html", "--longest"]
    assert main([*map(str, words), "1.6"]) == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert {*re.findall(r"<code>(.*?)</code>", text)} == short and "of those of at most 1.6 s" in text
    assert "heard in training" in text and "closed" not in text  # the closed condition was not scored
    assert main([*map(str, words), "1"]) == 1
    assert "no mixture of at most 1 s found" in capsys.readouterr().err
    assert main([*map(str, words), "1", "--example", utterances[0].id]) == 1
    assert "--longest and --example found" in capsys.readouterr().err
    assert main(["report", "--exp", str(exp), "--data", str(data), "--longest", "1"]) == 1
    assert "--longest found without --page" in capsys.readouterr().err


def test_text_is_escaped():
    table = Table("<b>", ["&"], [['"quoted" <i>']])
    text = render(Page("<script>alert(1)</script>", table, "heard", "chosen", "", "WAV", []))
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text
    assert "<i>" not in text and "<caption>&lt;b&gt;</caption>" in text


def test_a_browser_plays_it_from_disk(built, tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("neither chromium nor google-chrome is installed")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--virtual-time-budget=20000", "--dump-dom", built[0].resolve().as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert re.search(r"<html[^>]*data-playable=\"([^\"]*)\"", dom).group(1) == f"{PLAYERS}/{PLAYERS}"
    assert re.search(r"<p id=\"trouble\"[^>]*\bhidden", dom)

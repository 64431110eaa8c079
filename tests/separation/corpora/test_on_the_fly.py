"""Mixtures drawn from a cache of talkers: reproducible, of two talkers, at the levels, speeds and pauses asked for."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from spiking_tasnet.separation.audio.files import write_audio
from spiking_tasnet.separation.config import DataConfig, MixingConfig
from spiking_tasnet.separation.corpora.active_level import active_level
from spiking_tasnet.separation.corpora.on_the_fly import MixedOnTheFly
from spiking_tasnet.separation.corpora.speech_cache import Recording, SpeechCache, write_cache
from spiking_tasnet.separation.data import SeparationData

RATE = 8000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Talker k speaks a tone of 200 + 100 k Hz; its utterances last 1.5 to 3 s and have different levels."""
    root = tmp_path_factory.mktemp("tones")
    files = []
    for talker in range(4):
        for number, seconds in enumerate((1.5, 2.0, 3.0)):
            time = np.arange(int(seconds * RATE)) / RATE
            path = root / f"t{talker}" / f"u{number}.wav"
            write_audio(path, (0.1 + 0.2 * number) * np.sin(2 * np.pi * (200 + 100 * talker) * time), RATE)
            files.append(Recording(path, f"t{talker}", "low" if talker < 2 else "high"))
    write_cache(root / "cache", files, RATE, jobs=1)
    return root / "cache"


def mixed(folder, noise=None, segment=2.0, n_src=2, seed=0, **config):
    return MixedOnTheFly(
        SpeechCache(folder), MixingConfig(**config), n_src=n_src, segment=segment, n_items=8, noise=noise, seed=seed
    )


def tones(signal):
    """Frequencies (Hz, of the four talkers) that are heard."""
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal)))) / len(signal)
    frequencies = np.fft.rfftfreq(len(signal), 1 / RATE)
    bands = [(frequencies > f - 40) & (frequencies < f + 40) for f in (200, 300, 400, 500)]
    peaks = np.array([spectrum[band].max() for band in bands])
    return set(np.flatnonzero(peaks > 0.1 * peaks.max()))


def test_the_cache_holds_what_the_files_hold(folder):
    cache = SpeechCache(folder)
    assert len(cache.clips) == 12 and cache.hours == pytest.approx(4 * 6.5 / 3600)
    for clip in cache.clips:
        amplitude = 0.1 + 0.2 * int(clip.path[-5])
        samples = cache.read(clip)
        assert np.abs(samples).max() == pytest.approx(amplitude, abs=1e-3)
        assert clip.level == pytest.approx(active_level(samples.astype(np.float64), RATE), rel=1e-2)
        assert np.array_equal(cache.read(clip, 100, 50), samples[100:150])


def test_an_item_is_a_function_of_seed_epoch_and_index_alone(folder):
    one, two = mixed(folder), pickle.loads(pickle.dumps(mixed(folder)))
    _ = [one[3, index] for index in range(5)]
    for key in ((0, 0), (0, 1), (7, 3)):
        for a, b in zip(one[key], two[key], strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(one[0, 0][0], one[1, 0][0]) and not torch.equal(one[0, 0][0], one[0, 1][0])
    assert not torch.equal(one[0, 0][0], mixed(folder, seed=1)[0, 0][0])


def test_a_mixture_is_the_sum_of_two_talkers_within_full_scale(folder):
    items = mixed(folder)
    for index in range(30):
        mixture, sources = items[0, index]
        assert mixture.shape == (16000,) and sources.shape == (2, 16000) and mixture.dtype == torch.float32
        torch.testing.assert_close(mixture, sources.sum(0), atol=1e-5, rtol=0)
        assert max(mixture.abs().max(), sources.abs().max()) == pytest.approx(0.9, abs=1e-4)
        heard = [tones(source) for source in sources.numpy()]
        assert all(len(talker) == 1 for talker in heard) and heard[0] != heard[1]


def test_levels_differ_by_what_is_asked(folder):
    items = mixed(folder, segment=1.0, level_db=5.0, slower=0.0, faster=0.0)
    ratios = []
    for index in range(200):
        power = items[0, index][1].square().mean(-1)
        ratios.append(float(10 * torch.log10(power[0] / power[1])))
    # Active levels of whole utterances, powers of their parts: the time that speech is taken to go on makes 0.5 dB.
    assert -5.8 < min(ratios) < -4 and 4 < max(ratios) < 5.8 and abs(np.mean(ratios)) < 0.5


def test_speed_moves_the_pitch_within_its_range(folder):
    items, found = mixed(folder, segment=1.0, slower=0.08, faster=0.08), []
    for index in range(60):
        source = items[0, index][1][0].numpy()
        spectrum = np.abs(np.fft.rfft(source * np.hanning(len(source)), 8 * len(source)))
        frequency = np.argmax(spectrum) / len(source) / 8 * RATE
        found.append(frequency / min((200, 300, 400, 500), key=lambda tone: abs(np.log(frequency / tone))))
    assert 0.91 < min(found) < 0.95 and 1.05 < max(found) < 1.09


def test_short_utterances_are_filled_up_after_pauses_or_left_alone(folder):
    def silent(fill):
        items = mixed(folder, segment=6.0, fill=fill, pause=0.5)
        return np.mean([float((items[0, index][1] == 0).float().mean()) for index in range(30)])

    assert silent(0.0) > 0.5 > 0.35 > silent(1.0)
    source = mixed(folder, segment=6.0, fill=1.0)[0, 0][1][0].numpy()
    assert tones(source) and len(tones(source)) == 1  # of the same talker


def test_noise_at_its_level(folder, tmp_path):
    write_audio(tmp_path / "noise.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 12000), RATE)
    write_cache(tmp_path / "noise", [Recording(tmp_path / "noise.wav")], RATE, jobs=1)
    items = mixed(
        folder, SpeechCache(tmp_path / "noise"), segment=2.0, noise_probability=1.0, noise_snr_low=10, noise_snr_high=10
    )
    for index in range(5):
        mixture, sources = items[0, index]
        noise = mixture - sources.sum(0)
        active = max(float(source.square().mean()) for source in sources)
        assert 3 < 10 * np.log10(active / float(noise.square().mean())) < 17
    off = mixed(folder, SpeechCache(tmp_path / "noise"), noise_probability=0.0)
    mixture, sources = off[0, 0]
    torch.testing.assert_close(mixture, sources.sum(0), atol=1e-5, rtol=0)


def test_three_talkers(folder):
    mixture, sources = mixed(folder, n_src=3)[0, 0]
    assert sources.shape == (3, 16000) and len({frozenset(tones(source)) for source in sources.numpy()}) == 3
    with pytest.raises(ValueError, match="4 talkers found, at least 5 expected"):
        mixed(folder, n_src=5)


def test_talkers_of_one_corpus_as_often_as_asked(folder):
    def share(chance, n_items=200):
        items = mixed(folder, same_corpus=chance, segment=1.0)
        pairs = [[tones(source) for source in items[0, index][1].numpy()] for index in range(n_items)]
        return np.mean([max(one | two) < 2 or min(one | two) > 1 for one, two in pairs])

    assert share(1.0) == 1.0
    # Of 3 other talkers, 1 is of the same corpus: a third by chance.
    assert share(0.0) == pytest.approx(1 / 3, abs=0.1)
    assert share(0.5) == pytest.approx(2 / 3, abs=0.1)
    # More talkers than a corpus has: the others come from anywhere.
    sources = mixed(folder, same_corpus=1.0, n_src=3)[0, 0][1].numpy()
    assert len({frozenset(tones(source)) for source in sources}) == 3


def test_a_corpus_is_heard_as_often_as_asked(folder):
    def share(chance, same_corpus, n_items=200):
        favoured = {"corpus": "low", "corpus_share": chance} if chance else {}
        items = mixed(folder, same_corpus=same_corpus, segment=1.0, **favoured)
        pairs = [[tones(source) for source in items[0, index][1].numpy()] for index in range(n_items)]
        return np.mean([max(one | two) < 2 for one, two in pairs])

    # Half of the utterances are of "low", so that a share of p gives p + (1 - p) / 2 of the first talkers.
    assert share(1.0, 1.0) == 1.0
    assert share(0.5, 1.0) == pytest.approx(0.75, abs=0.1)
    assert share(0.0, 1.0) == pytest.approx(0.5, abs=0.1)
    assert share(1.0, 0.0) == pytest.approx(1 / 3, abs=0.1)  # the second talker is any of the other three


@pytest.mark.parametrize("settings", [{"corpus": "low"}, {"corpus_share": 0.5}])
def test_a_corpus_without_its_share_is_refused(settings):
    with pytest.raises(ValueError, match="give both or none"):
        MixingConfig(**settings)


def test_an_unknown_corpus_is_told_with_those_there_are(folder):
    with pytest.raises(ValueError, match="'high', 'low' found, mixing.corpus 'middle' expected"):
        mixed(folder, corpus="middle", corpus_share=0.5)


def test_a_cache_without_corpora_is_told_when_they_count(folder, tmp_path):
    for name in ("speech.i16", "speech.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    rows = [line.split("\t") for line in (folder / "speech.tsv").read_text().splitlines()]
    (tmp_path / "speech.tsv").write_text("".join("\t".join(row[:2] + row[3:]) + "\n" for row in rows))  # as it was once
    assert mixed(tmp_path)[0, 0][0].equal(mixed(folder)[0, 0][0])
    with pytest.raises(ValueError, match="does not name corpora found.*stage 0 with --force"):
        mixed(tmp_path, same_corpus=0.5)


def test_loader_processes_change_nothing(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("spiking_tasnet.separation.data.read_data_dir", lambda path: [])
    (tmp_path / "talkers").symlink_to(folder)
    batches = []
    for workers in (0, 1):
        data = SeparationData(tmp_path, DataConfig(segment=1.0, batch_size=2, num_workers=workers), RATE, 3)
        batches.append([mixture for mixture, _ in data.train_dataloader()])
    assert len(batches[0]) == 3
    assert all(torch.equal(one, two) for one, two in zip(*batches, strict=True))


def test_a_damaged_cache_is_told(folder, tmp_path):
    for name in ("speech.i16", "speech.tsv", "speech.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with open(tmp_path / "speech.i16", "ab") as stream:
        stream.write(b"..")
    with pytest.raises(ValueError, match="do not fit together"):
        SpeechCache(tmp_path)
    with pytest.raises(FileNotFoundError, match="stage 0 of recipes/talkers makes it"):
        SpeechCache(tmp_path / "nowhere")


def test_files_that_cannot_be_used_are_left_out(tmp_path, caplog):
    write_audio(tmp_path / "good.wav", 0.3 * np.sin(np.arange(12000)), RATE)
    write_audio(tmp_path / "short.wav", 0.3 * np.sin(np.arange(100)), RATE)
    write_audio(tmp_path / "silent.wav", np.zeros(12000), RATE)
    (tmp_path / "text.wav").write_text("not a sound")
    names = ("good", "short", "silent", "text")
    write_cache(tmp_path / "cache", [Recording(tmp_path / f"{name}.wav", name, "all") for name in names], RATE, jobs=1)
    assert [Path(clip.path).stem for clip in SpeechCache(tmp_path / "cache").clips] == ["good"]
    assert "3 of 4 files are left out" in caplog.text and "short.wav" in caplog.text
    with pytest.raises(ValueError, match="none of 1 files can be used"):
        write_cache(tmp_path / "none", [Recording(tmp_path / "text.wav", "x", "all")], RATE, jobs=1)

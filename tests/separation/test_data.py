import dataclasses
import shutil

import numpy as np
import pytest
import soundfile
import torch
from tiny_corpus import write_corpus

from spiking_tasnet.separation.audio.files import read_mono, write_audio
from spiking_tasnet.separation.config import DataConfig
from spiking_tasnet.separation.corpora.kaldi import read_data_dir
from spiking_tasnet.separation.corpora.merl import MerlSpec, build_mixtures
from spiking_tasnet.separation.data import EpochSampler, Segments, SeparationData


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    root = write_corpus(tmp_path_factory.mktemp("corpus"), {"tr": 8, "cv": 2, "tt": 1})
    build_mixtures(MerlSpec(root, root, root / "data"), jobs=1)
    return root / "data"


@pytest.fixture
def utterances(data_dir):
    return read_data_dir(data_dir / "tr")


def test_development_segments_cover_every_sample(utterances):
    segments = Segments(utterances, 0.3, 8000, training=False)
    for item, utterance in enumerate(utterances):
        whole = read_mono(utterance.sources[0])[0]
        covered = np.zeros(len(whole), bool)
        for index, (owner, offset) in enumerate(segments.keys):
            if owner == item:
                mixture, sources = segments[0, index]
                assert mixture.shape == (2400,) and sources.shape == (2, 2400)
                np.testing.assert_array_equal(sources[0], whole[offset : offset + 2400])
                covered[offset : offset + 2400] = True
        assert covered.all()


def test_mixture_is_the_sum_and_agrees_with_the_file(utterances):
    mixture, sources = Segments(utterances, 0.9, 8000, training=False)[0, 0]
    torch.testing.assert_close(mixture, sources.sum(0))
    stored = read_mono(utterances[0].mixture)[0][: len(mixture)]
    assert np.abs(mixture.numpy() - stored).max() <= 1.51 / 32768


def test_short_utterances_are_followed_by_zeros(utterances):
    segments = Segments(utterances, 3.0, 8000, training=True)
    mixture, sources = segments[0, 0]
    length = segments.lengths[0]
    assert mixture.shape == (24000,) and sources[:, :length].any() and not sources[:, length:].any()


def test_random_segments_depend_on_seed_epoch_and_index_only(utterances):
    def offsets(seed, epoch, order):
        segments = Segments(utterances, 0.3, 8000, training=True, seed=seed)
        return {index: segments[epoch, index][0].sum().item() for index in order}

    first = offsets(0, 0, range(8))
    assert first == offsets(0, 0, reversed(range(8)))
    assert first != offsets(0, 1, range(8)) and first != offsets(1, 0, range(8))


def test_remix_pairs_other_talkers_anew(utterances):
    segments = Segments(utterances, 0.3, 8000, training=True, remix=True)
    partners = {segments._partner(0, np.random.default_rng(n)) for n in range(40)}
    assert len(partners) > 2
    talker = utterances[0].talkers[0]
    assert all(utterances[partner].talkers[-1] != talker for partner in partners)
    mixture, sources = segments[3, 0]
    torch.testing.assert_close(mixture, sources.sum(0))


def test_sampler_takes_all_or_some_anew_each_epoch():
    sampler = EpochSampler(10, shuffle=True)
    assert sorted(index for _, index in sampler) == list(range(10))
    some = EpochSampler(10, 4, shuffle=True)
    seen = set()
    for epoch in range(20):
        some.set_epoch(epoch)
        keys = list(some)
        assert len(keys) == 4 == len(some) and all(found == epoch for found, _ in keys)
        seen |= {index for _, index in keys}
    assert seen == set(range(10))
    fixed = EpochSampler(3, shuffle=False)
    fixed.set_epoch(5)
    assert list(fixed) == [(0, 0), (0, 1), (0, 2)]


def test_loaders_and_limits(data_dir):
    data = SeparationData(data_dir, DataConfig(segment=0.3, batch_size=3, num_workers=0, limit_train=6), 8000, 2)
    assert len(data.train) == 6 and len(data.train_dataloader()) == 2
    mixture, sources = next(iter(data.train_dataloader()))
    assert mixture.shape == (3, 2400) and sources.shape == (3, 2, 2400)
    limited = SeparationData(data_dir, DataConfig(segment=9.0, num_workers=0, limit_dev=1), 8000)
    assert len(limited.dev) == 1


def test_bad_audio_is_named_before_training(data_dir, utterances, tmp_path):
    with pytest.raises(ValueError, match="8000 Hz found, 16000 Hz expected"):
        Segments(utterances, 1.0, 16000, training=True)
    bad = tmp_path / "bad.wav"
    bad.write_text("no sound")
    broken = type(utterances[0])("u", bad, (bad, bad), ("a", "b"), ("M", "F"))
    with pytest.raises(ValueError, match="bad.wav: cannot be read .*run stage 0 again"):
        Segments([broken], 1.0, 8000, training=True)
    write_audio(tmp_path / "other.wav", np.ones(10) / 2, 8000)
    mixed = type(broken)("u", bad, (tmp_path / "other.wav", tmp_path / "absent.wav"), ("a", "b"), ("M", "F"))
    with pytest.raises(ValueError, match="absent.wav: cannot be read"):
        Segments([mixed], 1.0, 8000, training=True)
    with pytest.raises(FileNotFoundError, match="stage 0"):
        SeparationData(tmp_path, DataConfig(), 8000)


def test_whether_the_talkers_of_the_dev_set_were_heard(tmp_path):
    root = write_corpus(tmp_path, {"tr": 30, "cv": 5, "tt": 5})
    build_mixtures(MerlSpec(root, root, root / "data"), jobs=1)
    assert SeparationData(root / "data", DataConfig(), 8000).dev_talkers_heard
    shutil.rmtree(root / "data" / "cv")
    shutil.copytree(root / "data" / "tt", root / "data" / "cv")
    assert not SeparationData(root / "data", DataConfig(), 8000).dev_talkers_heard


def test_without_remix_a_segment_is_a_piece_of_the_mixture_as_it_is(utterances):
    segments = Segments(utterances, 0.3, 8000, training=True)
    for epoch in range(3):
        for index, utterance in enumerate(utterances):
            mixture = segments[epoch, index][0].numpy()
            whole = soundfile.read(utterance.mixture, dtype="float32")[0]
            windows = np.lib.stride_tricks.sliding_window_view(whole, len(mixture))
            assert np.abs(windows - mixture).max(1).min() < 3 / 32768


@pytest.fixture
def own(utterances, tmp_path):
    """One mixture with files of its own: utterance, path of its first source."""
    utterance = utterances[0]
    path = tmp_path / "own.wav"
    shutil.copy(utterance.sources[0], path)
    return dataclasses.replace(utterance, sources=(path, *utterance.sources[1:])), path


def test_a_source_that_was_cut_is_refused_and_not_filled_with_zeros(own):
    utterance, path = own
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"own.wav: cannot be read \(.* bytes of sound found, .* expected"):
        Segments([utterance], 0.3, 8000, training=True)


def test_a_source_that_is_cut_while_training_is_refused(own):
    utterance, path = own
    segments = Segments([utterance], 0.3, 8000, training=False)
    data = path.read_bytes()
    path.write_bytes(data[:1000])
    with pytest.raises(ValueError, match="own.wav: .* samples found, .* expected; run stage 0 again"):
        segments[0, 0]
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="own.wav: cannot be read .*; run stage 0 again"):
        segments[0, 0]


def test_a_source_with_nan_is_refused(own):
    utterance, path = own
    soundfile.write(path, np.full(len(soundfile.read(path)[0]), np.nan), 8000, subtype="FLOAT")
    with pytest.raises(ValueError, match="own.wav: NaN or infinite samples found"):
        Segments([utterance], 0.3, 8000, training=False)[0, 0]

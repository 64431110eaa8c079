"""Stage 0 from a folder of talkers: who is heard where, lists, and a training on it."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from tiny_talkers import write_talkers

from spiking_tasnet import training
from spiking_tasnet.cli.main import main
from spiking_tasnet.separation import train as training_of_separation
from spiking_tasnet.separation.corpora.kaldi import read_data_dir
from spiking_tasnet.separation.corpora.merl_lists import read_list
from spiking_tasnet.separation.corpora.speech_cache import SpeechCache
from spiking_tasnet.separation.corpora.talkers import TalkersSpec, build_talkers, find_speech, training_speech
from spiking_tasnet.separation.network import load_model, save_model
from spiking_tasnet.separation.packed import pack
from spiking_tasnet.snn import Constraints, convert


@pytest.fixture(scope="module")
def talkers(tmp_path_factory):
    return write_talkers(tmp_path_factory.mktemp("talkers"))


@pytest.fixture(scope="module")
def data_dir(talkers):
    spec = TalkersSpec(talkers, talkers.parent / "data", dev_mixtures=5, test_mixtures=4)
    build_talkers(spec, jobs=1)
    return spec.data_dir


def test_test_talkers_are_unseen_and_dev_utterances_unheard(talkers, data_dir):
    clips = SpeechCache(data_dir / "talkers").clips
    heard, trained = {clip.path for clip in clips}, {clip.talker for clip in clips}
    dev = {path for line in read_list(data_dir / "lists/mix_2_spk_cv.txt") for path in line.paths}
    test = {path for line in read_list(data_dir / "lists/mix_2_spk_tt.txt") for path in line.paths}
    assert not {str(talkers / path) for path in dev | test} & heard
    assert {path.split("/")[0] for path in dev} <= trained
    assert not {path.split("/")[0] for path in test} & trained and len(trained) == 4


def test_dev_and_test_are_mixed_and_training_is_not(data_dir):
    assert len(read_data_dir(data_dir / "cv")) == 5 and len(read_data_dir(data_dir / "tt")) == 4
    assert not (data_dir / "tr").exists() and not (data_dir / "wav8k/min/tr").exists()
    gains = [
        abs(gain)
        for subset in ("cv", "tt")
        for line in read_list(data_dir / f"lists/mix_2_spk_{subset}.txt")
        for gain in line.gains
    ]
    assert max(gains) <= 2.5 and min(gains) >= 0


def test_what_is_there_is_not_made_again(talkers, data_dir):
    before = (data_dir / "talkers/speech.tsv").stat().st_mtime_ns
    build_talkers(TalkersSpec(talkers, data_dir, dev_mixtures=5, test_mixtures=4), jobs=1)
    assert (data_dir / "talkers/speech.tsv").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="data of seed 0 found, 1 expected"):
        build_talkers(TalkersSpec(talkers, data_dir, dev_mixtures=5, test_mixtures=4, seed=1), jobs=1)


def test_ready_lists_and_extra_talkers(talkers, tmp_path):
    corpus = shutil.copytree(talkers, tmp_path / "corpus")
    (corpus / "mix_2_spk_cv.txt").write_text("t0/t0u0.wav 1 t1/t1u0.wav -1\n")
    (corpus / "mix_2_spk_tt.txt").write_text("t4/t4u0.wav 1 t5/t5u0.wav -1\n")
    extra = shutil.copytree(talkers, tmp_path / "extra")
    (extra / "mix_2_spk_tt.txt").write_text("t2/t2u0.wav 1 t3/t3u0.wav -1\n")
    code = main(
        [
            "talkers",
            "--talkers",
            str(corpus),
            "--extra",
            str(extra),
            "--data-dir",
            str(tmp_path / "data"),
            "--jobs",
            "1",
        ]
    )
    assert code == 0
    clips = SpeechCache(tmp_path / "data/talkers").clips
    own = {clip.path for clip in clips if not clip.talker.startswith("extra/")}
    assert len(own) == 4 * 3 - 2
    assert {clip.talker for clip in clips} == {f"t{n}" for n in range(4)} | {f"extra/t{n}" for n in (0, 1, 4, 5)}
    assert all(clip.corpus == ("extra" if clip.talker.startswith("extra/") else corpus.name) for clip in clips)
    assert [utterance.talkers for utterance in read_data_dir(tmp_path / "data/tt")] == [("t4", "t5")]


def test_a_table_names_the_talkers(talkers, tmp_path):
    corpus = shutil.copytree(talkers, tmp_path / "corpus")
    with open(corpus / "utterances.tsv", "w", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t")
        writer.writerow(["path", "talker", "sex", "corpus"])
        writer.writerow(["t0/t0u0.wav", "anna", "F", "studio"])
        writer.writerow(["t1/t1u0.wav", "bert", "M", ""])
    assert [(item.talker, item.corpus) for item in find_speech(corpus)] == [("anna", "studio"), ("bert", "corpus")]
    (corpus / "t0/t0u0.wav").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 2 files are missing, the first is t0/t0u0\.wav"):
        find_speech(corpus)


def test_hidden_files_are_left_out_and_what_is_wrong_is_told(talkers, tmp_path):
    corpus = shutil.copytree(talkers, tmp_path / "corpus")
    (corpus / "t0/._t0u0.wav").write_bytes(b"resource fork")
    (corpus / ".trash").mkdir()
    assert len(find_speech(corpus)) == 18
    assert len(training_speech(find_speech(corpus), tmp_path)) == 18
    with pytest.raises(FileNotFoundError, match="no such folder"):
        build_talkers(TalkersSpec(tmp_path / "nowhere", tmp_path / "data1"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no sound files found"):
        build_talkers(TalkersSpec(tmp_path / "empty", tmp_path / "data2"))
    with pytest.raises(ValueError, match="2 talkers found, at least 4 expected"):
        build_talkers(TalkersSpec(write_talkers(tmp_path / "few", talkers=2), tmp_path / "data3"))
    shutil.copy(corpus / "t0/t0u0.wav", corpus / "loose.wav")
    with pytest.raises(ValueError, match="outside any folder found"):
        find_speech(corpus)


CONFIG = """
model: {n_filters: 16, kernel_size: 16, stride: 8, bn_chan: 8, hid_chan: 8, n_blocks: 2}
data: {segment: 0.5, batch_size: 4, num_workers: 0}
ann: {max_epochs: 3, batches_per_epoch: 3, lr: 0.005, schedule: hold, cap_db: 30, average: 0.9, residual: true}
snn: {max_epochs: 12, batches_per_epoch: 2, cap_db: 30}
ptl: {patience: 1, max_epochs_per_stage: 1, num_steps: 16, threshold_batches: 1}
"""


def train(command, data_dir, exp, *more):
    config = exp.parent / "tiny.yaml"
    config.write_text(CONFIG)
    return main([command, "--config", str(config), "--data", str(data_dir), "--exp", str(exp), "--threads", "1", *more])


def test_training_on_talkers_and_conversion(data_dir, tmp_path):
    assert train("train", data_dir, tmp_path / "exp") == 0
    assert train("convert", data_dir, tmp_path / "exp") == 0
    assert not load_model(tmp_path / "exp/ann/model.pt").is_spiking
    assert load_model(tmp_path / "exp/snn/model.pt").is_spiking
    assert json.loads((tmp_path / "exp/ann/run.json").read_text())["dev_talkers_heard"] is True


def test_an_interrupted_training_ends_with_the_same_weights(data_dir, tmp_path, monkeypatch):
    assert train("train", data_dir, tmp_path / "whole") == 0
    assert train("train", data_dir, tmp_path / "parts", "--set", "ann.max_epochs=2") == 0
    (tmp_path / "parts/ann/model.pt").unlink()
    # The last checkpoint is of the start of the last epoch, so this trains that epoch again.
    assert train("train", data_dir, tmp_path / "parts") == 0
    whole, parts = (load_model(tmp_path / name / "ann/model.pt").state_dict() for name in ("whole", "parts"))
    for name, value in whole.items():
        if hasattr(value, "numpy"):
            assert np.array_equal(value.numpy(), parts[name].numpy()), name


def test_averages_and_residuals_are_not_for_the_conversion(data_dir, tmp_path, capsys):
    assert train("train", data_dir, tmp_path / "exp") == 0
    assert train("convert", data_dir, tmp_path / "exp", "--set", "snn.average=0.9") == 1
    assert "they are for the ANN" in capsys.readouterr().err


def test_distillation_and_a_price_on_spikes_are_part_of_the_training_loss_only(data_dir, tmp_path):
    from spiking_tasnet.separation.config import TrainConfig
    from spiking_tasnet.separation.module import SeparationModule

    assert train("train", data_dir, tmp_path / "exp") == 0
    load = lambda: load_model(tmp_path / "exp/ann/model.pt")  # noqa: E731
    torch.manual_seed(0)
    sources = torch.randn(2, 2, 4000)
    mixture = sources.sum(1)
    network, teacher = load(), load()
    convert(network, lambda: network(mixture), num_steps=4)

    def loss(**config):
        module = SeparationModule(network, TrainConfig(**config), teacher=teacher if config else None)
        assert not any("teacher" in name for name in module.state_dict())
        return module._training_loss(mixture, sources)

    plain, distilled, priced = loss(), loss(distil=2.0), loss(spike_penalty=0.5)
    masks, encoded = network.masks(mixture)  # with gradients, as in training: without them what is encoded is exact
    error = ((masks - teacher.masks(mixture)[0]) ** 2).mean(1)
    expected = 2.0 * (error * encoded / encoded.mean()).mean()
    assert (distilled - plain).item() == pytest.approx(expected.item(), rel=1e-4) and expected > 0
    assert priced > plain
    alike = SeparationModule(load(), TrainConfig(distil=2.0), teacher=teacher)
    assert alike._training_loss(mixture, sources).item() == pytest.approx(
        SeparationModule(load(), TrainConfig())._training_loss(mixture, sources).item(), abs=1e-4
    )


def test_a_training_starts_from_a_model(data_dir, tmp_path, capsys):
    assert train("train", data_dir, tmp_path / "first") == 0
    model = tmp_path / "first/ann/model.pt"
    # A learning rate near zero: the result is the start.
    assert train("train", data_dir, tmp_path / "exp", "--init", str(model), "--set", "ann.lr=1e-12") == 0
    first, again = load_model(model), load_model(tmp_path / "exp/ann/model.pt")
    mixture = torch.randn(2, 4000)
    with torch.no_grad():
        assert (again(mixture) - first(mixture)).norm() < 0.1 * first(mixture).norm()
    causal = "--set", "model.causal=true", "--set", "model.conv_kernel_size=2"
    assert train("train", data_dir, tmp_path / "causal", "--init", str(model), *causal) == 0
    assert load_model(tmp_path / "causal/ann/model.pt").config.causal
    assert train("train", data_dir, tmp_path / "other", "--init", str(model), "--set", "model.hid_chan=12") == 1
    assert "--init takes an ANN of these sizes" in capsys.readouterr().err


def test_a_training_that_starts_from_a_model_hears_other_mixtures_than_the_model_did(data_dir, tmp_path, monkeypatch):
    heard = []

    def watched(module, data, *args, **options):
        heard.append(data.train[0, 0][0])
        return training.fit(module, data, *args, **options)

    monkeypatch.setattr(training_of_separation, "fit", watched)
    assert train("train", data_dir, tmp_path / "first") == 0
    for exp in ("exp", "again"):
        assert train("train", data_dir, tmp_path / exp, "--init", str(tmp_path / "first/ann/model.pt")) == 0
    assert not torch.equal(heard[1], heard[0]) and torch.equal(heard[2], heard[1])


def test_training_and_conversion_take_the_ann_of_a_packed_file(data_dir, tmp_path, capsys):
    assert train("train", data_dir, tmp_path / "first") == 0
    ann, snn = (load_model(tmp_path / "first/ann/model.pt") for _ in range(2))
    convert(snn, lambda: snn(torch.randn(2, 4000)), num_steps=4, constraints=Constraints(weight_bits=8))
    packed = tmp_path / "talkers.pt"
    pack(packed, snn, ann, {})
    assert train("train", data_dir, tmp_path / "exp", "--init", str(packed), "--set", "ann.lr=1e-12") == 0
    assert train("convert", data_dir, tmp_path / "exp2", "--ann", str(packed)) == 0
    assert load_model(tmp_path / "exp2/snn/model.pt").is_spiking
    save_model(tmp_path / "snn.pt", snn)
    assert train("convert", data_dir, tmp_path / "exp3", "--ann", str(tmp_path / "snn.pt")) == 1
    assert "a spiking network found, an ANN expected" in capsys.readouterr().err

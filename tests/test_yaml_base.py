"""`base:` in a YAML: another file's settings first."""

import dataclasses
from pathlib import Path

import pytest

from spiking_tasnet.cli.main import main
from spiking_tasnet.config import read_config, save_config
from spiking_tasnet.separation.config import Config
from spiking_tasnet.vision.config import Config as VisionConfig
from spiking_tasnet.yaml_base import with_bases

CONF = Path(__file__).parents[1] / "recipes/cifar10/conf"


@pytest.fixture
def write(tmp_path):
    def write(**texts):
        for name, text in texts.items():
            path = tmp_path / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def test_settings_of_the_base_are_overridden_key_by_key(write, tmp_path):
    folder = write(
        root="seed: 4\nann: {lr: 0.5, max_epochs: 7}\nptl:\n  patience: 2\n",
        inner__middle="base: ../root.yaml   # the one above\nann:\n  lr: 0.25\n",
        top="ann:\n  clip_norm: 2\nbase: 'inner/middle.yaml'\n",
    )
    config = read_config(Config, folder / "top.yaml", ["ptl.patience=5"])
    assert (config.seed, config.ann.lr, config.ann.max_epochs, config.ann.clip_norm) == (4, 0.25, 7, 2.0)
    assert config.ptl.patience == 5
    assert [file.name for file in with_bases(folder / "top.yaml")] == ["top.yaml", "middle.yaml", "root.yaml"]
    save_config(config, tmp_path / "saved.yaml")
    assert "base" not in (tmp_path / "saved.yaml").read_text()
    assert read_config(Config, tmp_path / "saved.yaml") == config


def test_a_section_may_become_a_value_and_the_reverse(write):
    folder = write(root="ann: {lr: 0.5}\n", top="base: root.yaml\nann: 3\n")
    with pytest.raises(ValueError, match="ann: int found, a mapping of settings expected"):
        read_config(Config, folder / "top.yaml")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"top": "base: nowhere.yaml\n"}, "top.yaml: base: nowhere.yaml: no such file; its name is relative"),
        ({"top": "base: top.yaml\n"}, r"lead back to themselves \(top.yaml -> top.yaml\)"),
        (
            {"top": "base: a.yaml\n", "a": "base: b.yaml\n", "b": "base: ./top.yaml\n"},
            r"themselves \(top.yaml -> a.yaml -> b.yaml -> top.yaml\)",
        ),
        ({"top": "base:\n"}, "top.yaml: base: '' found, the name of a YAML expected"),
        ({"top": "base: [a.yaml]\n", "a": ""}, r"base: '\[a.yaml\]' found, the name of a YAML expected"),
        ({"top": "{base: a.yaml, seed: 1}\n", "a": ""}, "top.yaml: base: the name of a YAML expected, on a line"),
        ({"top": "base: 3\n", "3": ""}, "top.yaml: base: 3: no such file"),
        ({"top": "base: a.yaml\n", "a": "- 1\n"}, "a.yaml: list found, a mapping of settings expected"),
        ({"top": "base: a.yaml\n", "a": "ann: {speed: 1}\n"}, "unknown key 'speed' found"),
        ({"top": "base: a.yaml\n", "a": "seed: 1\nseed: 2\n"}, "a.yaml: line 2: 'seed' stands there twice"),
    ],
)
def test_a_base_that_cannot_be_taken_is_one_line(write, texts, message, capsys):
    folder = write(**texts)
    with pytest.raises(ValueError, match=message):
        read_config(Config, folder / "top.yaml")
    assert main(["train", "--config", str(folder / "top.yaml"), "--data", "x", "--exp", "y"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_each_vgg_of_cifar10_differs_from_alexnet_in_what_it_says():
    """Networks of more layers take fewer steps and less patience, so that all stages fit into 100 epochs."""
    for kind in ("", "-fast"):
        alexnet = read_config(VisionConfig, CONF / f"alexnet{kind}.yaml")
        for depth, num_steps, patience in (("11", 16, 6), ("13", 8, 5), ("16", 8, 4)):
            vgg = read_config(VisionConfig, CONF / f"vgg{depth}{kind}.yaml")
            expected = dataclasses.replace(
                alexnet,
                model=dataclasses.replace(alexnet.model, network=f"vgg{depth}"),
                ptl=dataclasses.replace(alexnet.ptl, num_steps=num_steps, patience=1 if kind else patience),
            )
            assert vgg == expected
    assert sum(len(path.read_text().splitlines()) for path in CONF.glob("*.yaml")) < 120


def test_fast_settings_of_cifar10_are_the_shortened_ones():
    fast = read_config(VisionConfig, CONF / "alexnet-fast.yaml")
    assert (fast.model.width, fast.model.dropout, fast.data.batch_size) == (0.25, 0.0, 50)
    assert (fast.data.limit_train, fast.data.limit_val, fast.data.shift) == (4000, 1000, 4)
    assert fast.data.flip and fast.data.normalise
    assert (fast.ann.max_epochs, fast.ann.lr, fast.ann.schedule, fast.ann.decay_at) == (15, 1e-3, "cosine", 50)
    assert (fast.snn.max_epochs, fast.snn.lr, fast.snn.decay_at, fast.end_to_end.max_epochs) == (40, 2e-4, 99, 3)
    assert (fast.ptl.num_steps, fast.ptl.max_epochs_per_stage, fast.ptl.percentile) == (16, 1, 99.9)

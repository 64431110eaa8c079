"""Configuration: typed, checked, every shipped file loads."""

from pathlib import Path

import pytest

from spiking_tasnet.config import read_config, save_config
from spiking_tasnet.separation.config import Config, ModelConfig
from spiking_tasnet.vision import config as vision

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*ROOT.glob("recipes/*/conf/*.yaml"), *ROOT.glob("egs/*/conf/*.yaml")])
VISION = ("mnist", "cifar10", "imagenet")  # recipes


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_every_shipped_configuration_loads_as_what_its_recipe_is(path):
    kinds = (vision.Config, Config) if path.parts[-3] in VISION else (Config, vision.Config)
    assert isinstance(read_config(kinds[0], path), kinds[0])
    with pytest.raises(ValueError, match="unknown key"):
        read_config(kinds[1], path)


def test_every_recipe_ships_a_configuration():
    folders = {path.parent for path in [*ROOT.glob("recipes/*/run.sh"), *ROOT.glob("egs/*/run.sh")]}
    own = {folder for folder in folders if (folder / "conf").is_dir()}
    assert own == {path.parents[1] for path in SHIPPED}
    assert {folder.name for folder in own} >= {*VISION, "wsj0-2mix"}


def test_the_defaults_are_the_papers():
    config = Config()
    assert (config.model.n_filters, config.model.n_blocks) == (512, 10)
    assert (config.ptl.num_steps, config.ptl.patience) == (32, 3)
    assert (config.ann.lr, config.ann.halve_after, config.ann.stop_after, config.ann.max_epochs) == (1e-3, 3, 10, 100)
    assert config.data.segment == 4.0


def test_what_is_saved_is_read_back(tmp_path):
    config = read_config(Config, None, ["model.n_blocks=3", "ann.lr=5e-4", "data.remix=true", "seed=7"])
    assert (config.model.n_blocks, config.ann.lr, config.data.remix, config.seed) == (3, 5e-4, True, 7)
    save_config(config, tmp_path / "config.yaml")
    assert read_config(Config, tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.filters=3", "unknown key 'filters' found"),
        ("model.n_blocks=three", "n_blocks: 'three' found, int expected"),
        ("model.n_blocks=true", "n_blocks: True found, int expected"),
        ("ann.lr=fast", "lr: 'fast' found, float expected"),
        ("ann.schedule=step", "'step' found, 'plateau', 'cosine' or 'hold' expected"),
        ("model.conv_kernel_size=4", "an odd number expected"),
        ("model.n_src=0", "at least 1 expected"),
        ("ptl.percentile=0", "percentile in"),
        ("model", "KEY=VALUE expected"),
        ("ann.lr=[", "--set ann.lr=.: KEY=VALUE expected"),
        ("seed.much=3", "--set seed.much=3: KEY=VALUE expected"),
        ("model=3", "a mapping of settings expected"),
    ],
)
def test_mistakes_name_the_key(override, message):
    with pytest.raises(ValueError, match=message):
        read_config(Config, None, ["seed=1", override])


def test_not_yaml(tmp_path):
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ValueError, match="not a YAML file"):
        read_config(Config, tmp_path / "bad.yaml")
    with pytest.raises(FileNotFoundError, match="none.yaml: no such file; --config names"):
        read_config(Config, tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- a\n- b\n")
    with pytest.raises(ValueError, match="list.yaml: list found, a mapping of settings expected"):
        read_config(Config, tmp_path / "list.yaml", ["seed=1"])


def test_stride_longer_than_the_filter():
    with pytest.raises(ValueError, match="model.stride: 30 found"):
        ModelConfig(stride=30)

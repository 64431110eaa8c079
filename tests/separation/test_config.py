"""Configuration: typed, checked, every shipped file loads."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from spiking_tasnet.config import read_config, save_config
from spiking_tasnet.separation.config import Config, ModelConfig
from spiking_tasnet.vision import config as vision

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*ROOT.glob("recipes/*/conf/*.yaml"), *ROOT.glob("egs/*/conf/*.yaml")])
VISION = ("mnist", "cifar10", "imagenet")  # recipes


def test_the_live_network_is_converted_as_the_shipped_one_is_but_fires_at_once():
    conf = ROOT / "recipes" / "talkers" / "conf"
    live, few, trained = (read_config(Config, conf / f"{name}.yaml") for name in ("ptl_live", "ptl_few", "live"))
    assert live.model == trained.model and live.model.causal
    assert (live.ptl.firing, few.ptl.firing) == ("immediate", "phased")
    for name in ("num_steps", "v_init", "channel_wise", "weight_bits", "per_channel"):
        assert getattr(live.ptl, name) == getattr(few.ptl, name)
    assert live.data == few.data and live.snn.batches_per_epoch == few.snn.batches_per_epoch


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
        ("model.conv_kernel_size=4", "an odd number expected; only a causal network takes an even one"),
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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed: 1\nann: {lr: 0.1}\nseed: 2\n", "line 3: 'seed' stands there twice, the first time in line 1"),
        ("ann:\n  lr: 0.1\n  lr: 0.2\n", "line 3: 'lr' stands there twice, the first time in line 2"),
        ("false", "bool found, a mapping of settings expected"),
        ("[]", "list found, a mapping of settings expected"),
        ("0", "int found, a mapping of settings expected"),
        ("paper", "str found, a mapping of settings expected"),
        ("data: {segment: .inf}", "data: segment: inf found, a finite number expected"),
        ("ann: {lr: .nan}", "ann: lr: nan found, a finite number expected"),
        ("ann: {lr: 1e999}", "ann: lr: inf found, a finite number expected"),
        ("data: {num_workers: 1000000000}", "data.num_workers: 1000000000 found, at most 256 expected"),
        ("data: {batch_size: 1000000000}", "batch_size 1000000000 and segment 4 s found, at most"),
        ("data: {segment: 1.0e+9}", "at most 10000 segments and 86400 s of audio a batch expected"),
        ("data: {segment: 1.0e-6}", "data.segment: 0 samples found, at least model.kernel_size (20) expected"),
        ("model: {hid_chan: 60000}", "weights found, at most 1,000,000,000 expected"),
        ("model: {n_filters: 4000000000}", "model.n_filters: 4000000000 found, at least 1 expected, at most 65536"),
        ("model: {n_blocks: 62}", "model.n_blocks: 62 found"),
        ("ptl: {num_steps: 1000000001}", "ptl.num_steps: 1000000001 found, at most 1000000 expected"),
        (f"seed: {10**400}", "found, at most 4294967295 expected"),
        (f"ann: {{lr: {10**400}}}", "float expected"),
        ("seed: -1", "seed: -1 found, 0 or more expected"),
        ("ptl: {encoding: evenly}", "ptl: encoding: 'evenly' found, one of burst, spread expected"),
        ("ptl: {gate: true}", "ptl: key 'gate' found, which is now called 'clip_saturated_gradient'; rename it"),
        ("ptl: {firing: late}", "ptl: firing: 'late' found, one of immediate, phased expected"),
        ("ptl: {spread: true}", "ptl: key 'spread' found, which is now called 'encoding: burst | spread'; rename it"),
        ("1: 2", "unknown key 1 found"),
        ("{1: 2, b: 3, ~: 4}", "unknown key 1 found"),
        ("? [a, b]\n: 1", "not a YAML file"),
        ("seed: !!bool maybe", "not a YAML file"),
        ("seed: !!python/object/apply:os.system [true]", "not a YAML file"),
        ("seed: 2024-99-99", "month must be in 1..12"),
        ("[" * 5000, "not a YAML file (nested too deeply)"),
        ("a: &a [*a]", "line 1: an anchor that holds itself"),
        ("seed: 1\x00", "not a YAML file"),
    ],
)
@pytest.mark.parametrize("kind", [Config, vision.Config])
def test_yaml_that_no_person_means_is_refused_in_one_line(text, told, kind, tmp_path):
    if kind is vision.Config and any(key in text for key in ("model", "segment")):
        pytest.skip("separation has these")
    path = tmp_path / "conf.yaml"
    path.write_text(text)
    with pytest.raises(ValueError) as found:
        read_config(kind, path)
    message = " ".join(str(found.value).split())
    if kind is Config:
        assert told in message and len(message) < 700


def test_anchors_that_unfold_to_more_than_is_written(tmp_path):
    """A billion laughs: 10 lines that unfold to 9^9 values, in the settings or only in the message."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    path = tmp_path / "conf.yaml"
    path.write_text("\n".join([*lines, "seed: *a9"]))
    with pytest.raises(ValueError, match="conf.yaml: line .*: more than 10,000 values found"):
        read_config(Config, path)
    path.write_text("x" * 2_000_000)
    with pytest.raises(ValueError, match="conf.yaml: 2,000,000 bytes found, at most 1,000,000 of settings expected"):
        read_config(Config, path)


def test_a_section_that_is_shared_by_an_anchor_is_changed_once(tmp_path):
    path = tmp_path / "conf.yaml"
    path.write_text("ann: &schedule {lr: 0.1, max_epochs: 7}\nsnn: *schedule\n")
    config = read_config(Config, path, ["ann.lr=0.5"])
    assert (config.ann.lr, config.snn.lr, config.snn.max_epochs) == (0.5, 0.1, 7)


@pytest.mark.parametrize(
    "override",
    [
        "model.width=1e9",
        "data.batch_size=1000000000",
        "data.num_workers=1000000000",
        "data.shift=999999999",
        "baselines.rate_steps=1000000000",
        "data.split_seed=-1",
        "model.width=.nan",
        "ann={lr: 1, lr: 2}",
    ],
)
def test_absurd_settings_of_images(override):
    with pytest.raises(ValueError, match="expected"):
        read_config(vision.Config, None, [override])


def test_reading_a_configuration_loads_nothing_heavy_and_is_quick():
    program = (
        "import json, sys, time; began = time.perf_counter()\n"
        "from spiking_tasnet.separation.config import Config\n"
        "from spiking_tasnet.config import read_config\n"
        "read_config(Config, sys.argv[1])\n"
        "print(json.dumps([time.perf_counter() - began, sorted(sys.modules)]))"
    )
    command = [sys.executable, "-c", program, str(ROOT / "recipes/wsj0-2mix/conf/paper.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, modules = json.loads(done.stdout)
    assert not {"torch", "pytorch_lightning", "asteroid", "numpy", "scipy", "soundfile", "matplotlib"} & set(modules)
    assert seconds < 5  # 0.1 s on a quiet machine; loading torch and Lightning takes some

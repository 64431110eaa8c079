"""The folder of a training: what other settings left there is refused, what the same left goes on."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from spiking_tasnet.ptl.config import PTLConfig
from spiking_tasnet.training.claim import claimed, fingerprint, outcome_settings


@dataclass(frozen=True)
class Data:
    segment: float = 4.0
    num_workers: int = 0


@dataclass(frozen=True)
class Schedule:
    max_epochs: int = 10
    lr: float = 0.001
    schedule: str = "plateau"


@dataclass(frozen=True)
class Config:
    data: Data = field(default_factory=Data)
    ann: Schedule = field(default_factory=Schedule)
    snn: Schedule = field(default_factory=Schedule)
    ptl: PTLConfig = field(default_factory=PTLConfig)
    seed: int = 0


def deciding(config):
    return {name: value for name, value in outcome_settings(config).items() if name != "snn"}


def claim(out, config, leave=("last.ckpt",), **origin):
    with claimed(out, config, deciding, {"data": "d1"} | origin):
        for name in leave:
            (out / name).write_text("")


@pytest.fixture
def out(tmp_path):
    claim(tmp_path / "ann", Config())
    return tmp_path / "ann"


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(data=Data(num_workers=3), ptl=PTLConfig(cache_mib=64)),  # speed only
        Config(snn=Schedule(lr=1.0)),  # of another training
        Config(ann=Schedule(max_epochs=20)),  # it goes on for longer
    ],
)
def test_what_changes_no_result_goes_on(out, config):
    claim(out, config)
    claim(out, config)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (Config(seed=1), "seed 0 there, 1 here"),
        (Config(ann=Schedule(lr=0.01)), "ann.lr 0.001 there, 0.01 here"),
        (Config(data=Data(segment=2.0), seed=7), "data.segment 4.0 there, 2.0 here; seed 0 there, 7 here"),
        (Config(ann=Schedule(max_epochs=5)), "ann.max_epochs 10 there, 5 here"),
        (Config(ptl=PTLConfig(num_steps=8)), "ptl.num_steps 32 there, 8 here"),
    ],
)
@pytest.mark.parametrize("left", ["last.ckpt", "last.previous.ckpt", "model.pt"])
def test_other_settings_are_refused(out, config, told, left):
    (out / "last.ckpt").rename(out / left)
    before = (out / "config.yaml").read_text()
    with pytest.raises(ValueError) as found:
        claim(out, config)
    advice = f"give another --exp, or remove {out} to train anew (run.sh: --force)"
    assert str(found.value) == f"{out}: trained with other settings ({told}); {advice}"
    assert (out / "config.yaml").read_text() == before
    claim(out.parent / "other", config)


def test_a_learning_rate_that_counts_on_the_epochs_allows_no_more_of_them(tmp_path):
    claim(tmp_path, Config(ann=Schedule(schedule="cosine")))
    with pytest.raises(ValueError, match="ann.max_epochs 10 there, 20 here"):
        claim(tmp_path, Config(ann=Schedule(schedule="cosine", max_epochs=20)))


def test_other_data_or_another_ann(tmp_path):
    claim(tmp_path, Config(), ANN="a1")
    claim(tmp_path, Config(), ANN="a1")
    with pytest.raises(ValueError, match="trained with other settings .another data; another ANN.;"):
        claim(tmp_path, Config(), data="d2", ANN="a2")


def test_before_the_first_epoch_nothing_binds(tmp_path):
    claim(tmp_path, Config(), leave=())
    claim(tmp_path, Config(seed=1))


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [(None, "a training without its config.yaml"), ("seed: [", "not a YAML"), ("a: 1", "unknown key")],
)
def test_settings_that_are_unknown(out, spoilt, told):
    (out / "config.yaml").unlink()
    if spoilt:
        (out / "config.yaml").write_text(spoilt)
    with pytest.raises(ValueError, match=f"{told}.*; give another --exp, or remove"):
        claim(out, Config())


def test_a_model_from_elsewhere_binds_nothing(tmp_path):
    (tmp_path / "model.pt").write_text("")
    claim(tmp_path, Config(seed=3))


HOLD = """
import sys, time
from pathlib import Path
from test_claim import Config, claimed, deciding
with claimed(Path(sys.argv[1]), Config(), deciding, {"data": "d1"}):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_training_at_a_time_and_a_killed_one_is_no_obstacle(out):
    environment = {"PYTHONPATH": ":".join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", HOLD, str(out)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(
                ValueError, match="another training is at work there; wait for it, or give another --exp"
            ):
                claim(out, Config())
        finally:
            holder.kill()
    claim(out, Config())


def test_fingerprints_tell_weights_apart():
    torch.manual_seed(0)
    one, two = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    assert fingerprint(one) == fingerprint(one) != fingerprint(two)
    two.load_state_dict(one.state_dict())
    assert fingerprint(one) == fingerprint(two) and fingerprint("a") != fingerprint("b")

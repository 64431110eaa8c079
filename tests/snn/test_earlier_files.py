"""A model and an export that version 0.1 wrote, before `encoding` replaced `spread`: they fire what they fired then.

Weights, inputs and thresholds are multiples of a power of two, so every sum is exact on any machine.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spiking_tasnet.model_file import read_model
from spiking_tasnet.plain_file import read_plain
from spiking_tasnet.snn import Constraints, ConvertibleLayer, SpikingSettings, check_export
from spiking_tasnet.snn.export import read_export
from spiking_tasnet.snn.settings import ANALOG, saved_settings

FIXTURES = Path(__file__).parent / "fixtures"


def rebuild(_):
    tandem = nn.Sequential(
        ConvertibleLayer(nn.Conv1d(3, 6, 1), nn.BatchNorm1d(6)),
        ConvertibleLayer(nn.Conv1d(6, 8, 3, padding=1)),
        ConvertibleLayer(nn.Conv1d(8, 5, 2, stride=2)),
        ConvertibleLayer(nn.Conv1d(5, 2, 1), readout=True, rectify=False),
    )
    lif = nn.Sequential(ConvertibleLayer(nn.Linear(4, 5)), ConvertibleLayer(nn.Linear(5, 2)))
    return nn.ModuleDict({"tandem": tandem, "lif": lif})


SETTINGS = {
    "tandem.0": SpikingSettings("encoding", num_steps=8, v_init=0.5, encoding="spread"),
    "tandem.1": SpikingSettings("spiking", num_steps=8, v_init=0.25),
    "tandem.2": SpikingSettings("spiking", num_steps=8, constraints=Constraints(4, True, 5)),
    "tandem.3": SpikingSettings("readout", num_steps=8),
    "lif.0": SpikingSettings("surrogate", num_steps=8, v_init=0.5, decay=0.5, folded=False),
    "lif.1": ANALOG,
}


@torch.no_grad()
@pytest.mark.parametrize("kernel", ["", "reference"])
def test_a_model_of_before_fires_as_before(kernel, monkeypatch):
    monkeypatch.setenv("SPIKING_TASNET_KERNEL", kernel)
    network = read_model(FIXTURES / "model.pt", "test", rebuild, "")
    assert {name: network.get_submodule(name).settings for name in SETTINGS} == SETTINGS
    assert not network["tandem"][0].norm.weight.requires_grad

    wrote = read_plain(FIXTURES / "model.pt", "a model file", "")["extra"]
    found, x = [], torch.tensor(wrote["x"])
    for layer in network["tandem"]:
        x = layer(x)
        found.append(x if isinstance(x, torch.Tensor) else x.code)
    found.append(network["lif"][0](torch.tensor(wrote["y"])).code)
    *fired, readout, lif = [values.flatten().tolist() for values in found]
    assert fired == wrote["words"][:3] and lif == wrote["words"][4]
    assert readout == pytest.approx(wrote["words"][3])


def test_an_export_of_before_is_read_under_the_present_names():
    layers = read_export(FIXTURES / "export.npz")
    assert [str(layer["role"]) for layer in layers.values()] == ["encoding", "spiking", "spiking", "readout"]
    assert str(layers["0"]["encoding"]) == "spread" and "spread" not in layers["0"]
    assert np.array_equal(layers["1"]["input_amplitude"], [0.5]) and "input_worth" not in layers["1"]
    check_export(FIXTURES / "export.npz", Constraints())


def test_the_first_states_name_only_what_the_paper_needs():
    assert saved_settings({"role": "analog", "num_steps": 0, "v_init": 0.0}) == ANALOG
    assert saved_settings({"role": "spiking", "num_steps": 9, "v_init": 0.5}) == SpikingSettings(
        "spiking", num_steps=9, v_init=0.5
    )


def test_a_setting_of_a_later_version_is_refused():
    with pytest.raises(ValueError, match="'refractory' found among the settings of a layer, only num_steps"):
        saved_settings({"role": "analog", "num_steps": 0, "v_init": 0.0, "refractory": 2})

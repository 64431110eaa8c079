"""The record of the methods, and the settings of earlier versions."""

import pytest

from spiking_tasnet.config import read_config
from spiking_tasnet.vision.config import Config
from spiking_tasnet.vision.methods import METHODS, needs_ann


def test_only_end_to_end_methods_choose_where_they_start():
    scratch, pretrained = (read_config(Config, None, [f"baselines.pretrained={word}"]) for word in ("false", "true"))
    starts = {key: (needs_ann(key, scratch), needs_ann(key, pretrained)) for key in METHODS}
    assert starts == {
        "ann": (False, False),
        "ptl": (True, True),
        "tandem": (False, True),
        "surrogate": (False, True),
        "lif": (False, True),
        "rate": (True, True),
        "primitive": (True, True),
    }


def test_names_and_curves_are_told_apart():
    records = METHODS.values()
    assert all(key == method.key for key, method in METHODS.items())
    assert len({method.label for method in records}) == len({method.description for method in records}) == 7
    compared = [(method.colour, method.line) for method in records if method.trains and method.key != "ann"]
    assert len(set(compared)) == len(compared)


def test_a_key_of_an_earlier_version_is_refused_by_its_new_name(tmp_path):
    path = tmp_path / "old.yaml"
    path.write_text("rivals: {pretrained: true}\n")
    with pytest.raises(ValueError, match="old.yaml: key 'rivals' found, which is now called 'baselines'; rename it"):
        read_config(Config, path)
    with pytest.raises(ValueError, match="now called 'baselines'"):
        read_config(Config, None, ["rivals.pretrained=true"])
    with pytest.raises(ValueError, match="unknown key 'RENAMED'"):
        read_config(Config, None, ["RENAMED=1"])

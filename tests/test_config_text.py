"""`spiking-tasnet config`: every key, default and meaning, and YAML that reads back as the same settings."""

import dataclasses
import re

import pytest

from spiking_tasnet.cli.main import main
from spiking_tasnet.config import flattened, read_config
from spiking_tasnet.config_text import documented_yaml
from spiking_tasnet.separation.config import Config as SeparationConfig
from spiking_tasnet.vision.config import Config as VisionConfig

KINDS = {"separation": SeparationConfig, "vision": VisionConfig}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_printed_reads_back_as_the_defaults(kind, capsys, tmp_path):
    assert main(["config", kind]) == 0
    text = capsys.readouterr().out
    (tmp_path / "all.yaml").write_text(text)
    assert read_config(KINDS[kind], tmp_path / "all.yaml") == KINDS[kind]()
    keys = re.findall(r"^ *(\w+):", text, flags=re.MULTILINE)
    leaves = flattened(dataclasses.asdict(KINDS[kind]()))
    assert len(keys) == len(leaves) + len({key.partition(".")[0] for key in leaves if "." in key})
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_has_its_meaning_once(kind, capsys):
    main(["config", kind])
    before, without = "", []
    for line in capsys.readouterr().out.splitlines():
        if not line.lstrip().startswith("#") and line and not before.lstrip().startswith("#"):
            without.append(line.strip())
        before = line
    sections = [item.name for item in dataclasses.fields(KINDS[kind])]
    again = {"separation": ["snn"], "vision": ["snn", "end_to_end"]}[kind]  # explained in `ann`
    assert set(again) <= set(sections)
    defaults = KINDS[kind]()
    assert len(without) == sum(len(dataclasses.fields(getattr(defaults, section))) for section in again)


def test_a_field_without_a_meaning_is_refused():
    @dataclasses.dataclass
    class Half:
        """Settings.

        Attributes:
            told: a number.
        """

        told: int = 1
        untold: int = 2

    with pytest.raises(ValueError, match="Half.untold: not explained"):
        documented_yaml(Half())

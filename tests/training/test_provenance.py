"""How a result came about, and its table in a report."""

import json
import re
import sys

from spiking_tasnet.report.run_facts import run_table
from spiking_tasnet.training.provenance import run_facts


def test_facts_are_plain_and_name_no_recipe_where_there_is_none(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["spiking-tasnet", "train", "--exp", "exp/a"])
    monkeypatch.delenv("SPIKING_TASNET_RECIPE", raising=False)
    facts = run_facts(7).as_dict()
    assert json.loads(json.dumps(facts)) == facts
    assert list(facts) == ["command", "seed", "versions", "commit", "dirty", "machine"]
    assert facts["command"] == "spiking-tasnet train --exp exp/a" and facts["seed"] == 7
    assert {"python", "spiking-tasnet", "torch", "numpy"} <= set(facts["versions"])
    assert facts["commit"] is None or re.fullmatch("[0-9a-f]{40,64}", facts["commit"])
    monkeypatch.setenv("SPIKING_TASNET_RECIPE", "recipes/x/run.sh --stage 1")
    assert list(run_facts(7).as_dict())[0] == "recipe"


def test_the_table_of_a_report_reads_them(monkeypatch):
    monkeypatch.setenv("SPIKING_TASNET_RECIPE", "/somewhere/else/run.sh --stage 1")
    facts = run_facts(7).as_dict()
    table = run_table({"ANN": facts})
    assert "| recipe | `run.sh --stage 1` |" in table and "| seed | 7 |" in table
    assert f"{facts['machine']['cores']} cores" in table and facts["versions"]["torch"] in table

"""Manual optimisation: the user says how a batch is run, and the stages are those of automatic optimisation."""

import torch
from tiny_training import Classifier, Manual, fit, mlp, pretrained

from spiking_tasnet.ptl import ProgressiveTandemLearning, PTLConfig
from spiking_tasnet.snn import convertible_layers


class Plain(Classifier):
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=5e-3)


def test_manual_optimisation_ends_where_automatic_does():
    ends = []
    for kind in (Plain, Manual):
        module = pretrained(mlp, (4,))
        module.__class__, module.automatic_optimization = kind, kind is Plain
        torch.manual_seed(1)
        ptl = ProgressiveTandemLearning(
            PTLConfig(num_steps=8, patience=2, max_epochs_per_stage=3),
            run_batch=lambda module, batch: module.network(batch[0]),
        )
        fit(module, (4,), [ptl])
        assert ptl.finished and all(layer.is_converted for layer in convertible_layers(module).values())
        ends.append(
            (ptl.records, {key: value for key, value in module.state_dict().items() if hasattr(value, "shape")})
        )
    (records, state), (other_records, other) = ends
    assert records == other_records
    assert all(torch.equal(value, other[key]) for key, value in state.items())

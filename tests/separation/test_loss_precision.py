"""The loss in a bfloat16 training."""

import pytest
import torch

from spiking_tasnet.separation.module import pit_si_sdr


@pytest.mark.parametrize("cap_db", [0.0, 30.0])
def test_autocast_does_not_round_the_loss(cap_db):
    sources = torch.randn(3, 2, 800, generator=torch.Generator().manual_seed(0))
    est_sources = (sources + 0.05 * sources.flip(-1)).requires_grad_()  # 26 dB
    loss = pit_si_sdr(cap_db)
    expected = loss(est_sources, sources)
    (expected_gradient,) = torch.autograd.grad(expected, est_sources)
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(est_sources, sources)
    (gradient,) = torch.autograd.grad(found, est_sources)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient, expected_gradient)

"""Muon against the singular value decomposition and torch's own optimisers."""

import pytest
import torch

from spiking_tasnet.training.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(32, 32), (16, 96), (96, 16)])
def test_singular_values_become_nearly_one_and_directions_stay(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    found = orthogonalised(matrix)
    values = torch.linalg.svdvals(found)
    assert 0.6 < values.min() and values.max() < 1.25
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.nn.functional.cosine_similarity(found.flatten(), (u @ vh).flatten(), dim=0) > 0.97


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_only_where_it_is_native(native, monkeypatch):
    monkeypatch.setattr("spiking_tasnet.training.muon.computes_bfloat16", lambda device: native)
    products = []

    class Recorded(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, arguments=(), others=None):
            found = super().__torch_function__(function, types, arguments, others or {})
            if function in (torch.Tensor.matmul, torch.Tensor.__matmul__):
                products.append(found.dtype)
            return found

    torch.manual_seed(0)
    found = orthogonalised(torch.randn(8, 12).as_subclass(Recorded))
    assert found.dtype == torch.float32
    assert products and set(products) == {torch.bfloat16 if native else torch.float32}


def test_what_is_no_matrix_is_stepped_as_by_adam():
    torch.manual_seed(0)
    one = torch.randn(7).requires_grad_()
    two = one.detach().clone().requires_grad_()
    ours, theirs = Muon([], [one], lr=0.1, adam_lr=0.01), torch.optim.Adam([two], lr=0.01)
    for step in range(5):
        for vector, optimizer in ((one, ours), (two, theirs)):
            optimizer.zero_grad()
            ((vector - step) ** 3).sum().backward()
            optimizer.step()
    torch.testing.assert_close(one, two)


def test_a_matrix_is_stepped_as_by_torch():
    torch.manual_seed(0)
    start = torch.randn(12, 20)
    one, two = start.clone().requires_grad_(), start.clone().requires_grad_()
    target = torch.randn(12, 20)
    ours = Muon([one], [], lr=0.05, adam_lr=0.0)
    theirs = torch.optim.Muon([two], lr=0.05, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    for _ in range(5):
        for matrix, optimizer in ((one, ours), (two, theirs)):
            optimizer.zero_grad()
            (matrix - target).square().sum().backward()
            optimizer.step()
    # Five steps of 0.045 each. Torch's iteration runs in bfloat16, and ours where that is native; it magnifies two to
    # three digits to some percent.
    torch.testing.assert_close(one, two, atol=5e-3, rtol=0)
    assert (one - two).norm() < 0.05 * (one - start).norm()


def test_a_convolution_is_a_matrix_of_its_taps():
    torch.manual_seed(0)
    kernel = torch.randn(8, 4, 3).requires_grad_()
    matrix = kernel.detach().flatten(1).clone().requires_grad_()
    for weight in (kernel, matrix):
        weight.square().sum().backward()
        Muon([weight], [], lr=0.1, adam_lr=0.1).step()
    assert torch.equal(kernel.detach().flatten(1), matrix.detach())


def test_its_state_is_taken_up():
    def run(steps, state=None, weight=None):
        weight = torch.eye(6, 9) if weight is None else weight
        weight = weight.clone().requires_grad_()
        optimizer = Muon([weight], [], lr=0.1, adam_lr=0.1)
        if state:
            optimizer.load_state_dict(state)
        for _ in range(steps):
            optimizer.zero_grad()
            (weight - 1).square().sum().backward()
            optimizer.step()
        return weight.detach(), optimizer.state_dict()

    whole, _ = run(4)
    half, state = run(2)
    assert torch.equal(run(2, state, half)[0], whole)

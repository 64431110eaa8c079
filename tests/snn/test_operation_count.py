"""Every multiplication of a network is counted, or the operation is named."""

import logging

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spiking_tasnet.snn import ConvertibleLayer, convert, record_cost
from spiking_tasnet.snn.energy import total_cost

BATCH, TIME, SIZE = 3, 5, 8


def cost_of(network, *inputs, grad=False):
    with record_cost(network) as costs, torch.set_grad_enabled(grad):
        network(*inputs)
    return costs


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, SIZE))

    def forward(self, x):
        return F.linear(x, self.weight)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(SIZE, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class Einsum(nn.Module):
    def forward(self, x):
        return torch.einsum("btf,bsf->bts", x, x)


class Bilinear(nn.Bilinear):
    def __init__(self):
        super().__init__(SIZE, SIZE, 6)

    def forward(self, input1):
        return super().forward(input1, input1)


FRAMES = torch.randn(BATCH, TIME, SIZE)
ATTENTION = BATCH * TIME * (4 * SIZE * SIZE + 2 * TIME * SIZE)
ENCODER = ATTENTION + BATCH * TIME * 2 * SIZE * 16
CASES = {
    "lstm": (nn.LSTM(SIZE, 6, batch_first=True), FRAMES, BATCH * TIME * 4 * 6 * (SIZE + 6)),
    "two directions": (nn.LSTM(SIZE, 6, 2, bidirectional=True), FRAMES, BATCH * TIME * 2 * 4 * 6 * (SIZE + 6 + 12 + 6)),
    "gru": (nn.GRU(SIZE, 6, batch_first=True), FRAMES, BATCH * TIME * 3 * 6 * (SIZE + 6)),
    "rnn": (nn.RNN(SIZE, 6, batch_first=True), FRAMES, BATCH * TIME * 6 * (SIZE + 6)),
    "cell": (nn.GRUCell(SIZE, 6), FRAMES[0], TIME * 3 * 6 * (SIZE + 6)),
    "attention": (Attention(), FRAMES, ATTENTION),
    "encoder": (nn.TransformerEncoderLayer(SIZE, 2, 16, batch_first=True), FRAMES, ENCODER),
    "conv3d": (nn.Conv3d(2, 3, 3), torch.randn(1, 2, 5, 5, 5), 27 * 3 * 2 * 27),
    "grouped conv3d": (nn.Conv3d(2, 4, 3, groups=2), torch.randn(1, 2, 5, 5, 5), 27 * 4 * 27),
    "transposed": (nn.ConvTranspose2d(2, 3, 3), torch.randn(1, 2, 5, 5), 25 * 2 * 3 * 9),
    "functional": (Functional(), FRAMES, BATCH * TIME * SIZE * 4),
    "einsum": (Einsum(), FRAMES, BATCH * TIME * TIME * SIZE),
    "bilinear": (Bilinear(), FRAMES, BATCH * TIME * 6 * SIZE * (SIZE + 1)),
}


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_macs_are_those_of_the_formula(case, training, grad):
    module, x, expected = CASES[case]
    costs = cost_of(nn.Sequential(module).train(training), x, grad=grad)
    assert sum(cost.macs for cost in costs.values()) == expected
    assert not any(cost.uncounted or cost.synops for cost in costs.values())


def test_they_belong_to_the_module_that_computes_them():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.front, self.lstm = nn.Linear(SIZE, SIZE), nn.LSTM(SIZE, 6, batch_first=True)
            self.weight = nn.Parameter(torch.randn(4, 6))

        def forward(self, x):
            return F.linear(self.lstm(self.front(x))[0], self.weight)

    costs = cost_of(Network(), FRAMES)
    frames = BATCH * TIME
    found = {name: cost.macs for name, cost in costs.items()}
    assert found == {"front": frames * SIZE**2, "lstm": frames * 24 * (SIZE + 6), "(network)": frames * 24}


def test_a_head_that_reads_spikes_multiplies_and_spiking_layers_are_not_counted_twice():
    torch.manual_seed(0)
    network = nn.Sequential(ConvertibleLayer(nn.Conv1d(2, 6, 3)), ConvertibleLayer(nn.Conv1d(6, 4, 3)), nn.GRU(12, 5))
    x = torch.randn(BATCH, 2, 16)
    convert(network, lambda: network(x))
    costs = cost_of(network, x)
    frames = {"0": 14 * 2 * 6 * 3, "1": 12 * 6 * 4 * 3, "2": 4 * 15 * (12 + 5)}
    assert {name: cost.macs for name, cost in costs.items()} == {name: BATCH * macs for name, macs in frames.items()}
    total = total_cost(costs, BATCH)["total"]
    assert total["ann_macs"] == sum(frames.values()) and total["driven_macs"] == frames["1"]
    assert total["snn_macs"] == frames["0"] + frames["2"]


def test_what_no_formula_counts_is_named(caplog):
    class Spectrum(nn.Module):
        def forward(self, x):
            return torch.fft.rfft(x).abs()

    network = nn.Sequential(nn.Linear(SIZE, SIZE), Spectrum())
    with caplog.at_level(logging.WARNING):
        costs = cost_of(network, FRAMES)
    assert costs["1"].uncounted == ["aten._fft_r2c"] and costs["1"].macs == 0
    assert [record.getMessage() for record in caplog.records] == [
        "aten._fft_r2c of '1' is not counted: no formula of its multiplications is known"
    ]
    assert total_cost(costs, 1)["uncounted"] == {"1": ["aten._fft_r2c"]}


def test_an_operation_of_another_library_is_named():
    @torch.library.custom_op("spiking_tasnet_test::twice", mutates_args=())
    def twice(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    class Custom(nn.Module):
        def forward(self, x):
            return twice(x)

    assert cost_of(nn.Sequential(Custom()), FRAMES)["0"].uncounted == ["spiking_tasnet_test.twice"]


def test_gradients_cost_nothing():
    network = nn.Sequential(nn.GRU(SIZE, 6, batch_first=True))
    with record_cost(network) as costs:
        network(FRAMES)[0].sum().backward()
    assert costs["0"].macs == BATCH * TIME * 3 * 6 * (SIZE + 6)


def test_an_error_in_the_network_leaves_nothing_behind():
    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("broken")

    network, fast = nn.Sequential(nn.Linear(SIZE, SIZE), Broken()), torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(RuntimeError, match="broken"), record_cost(network):
        network(FRAMES)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert torch.backends.mha.get_fastpath_enabled() == fast
    inner = Broken()
    with record_cost(nn.Sequential(inner)) as costs:
        with pytest.raises(RuntimeError, match="broken"):
            inner(FRAMES)
        FRAMES @ FRAMES.mT
    assert costs["(network)"].macs == BATCH * TIME * TIME * SIZE


def test_marks_of_the_profiler_are_no_operations(caplog):
    class Marked(nn.Sequential):
        def forward(self, x):
            with torch.profiler.record_function("mark"):
                return super().forward(x)

    network = Marked(nn.Linear(3, 4))
    with caplog.at_level(logging.WARNING), torch.no_grad(), record_cost(network) as cost:
        list(torch.utils.data.DataLoader([1, 2]))  # a loader marks its batches
        network(torch.zeros(2, 3))
    assert not caplog.records and list(cost) == ["0"] and cost["0"].macs == 24

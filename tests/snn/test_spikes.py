"""`Spikes`: packing, shape operations, and what torch functions read."""

import pytest
import torch
from torch import nn

from spiking_tasnet.snn.spikes import Spikes
from spiking_tasnet.snn.words import count_bits, pack, unpack_step


def make(num_steps=8, shape=(2, 3, 5), threshold=0.5, seed=0):
    train = torch.rand(num_steps, *shape, generator=torch.Generator().manual_seed(seed)) < 0.3
    threshold = torch.as_tensor(threshold).view(-1)
    scale = threshold.view(-1, *(1,) * (len(shape) - 2))
    code = pack(train) if num_steps <= 32 else train
    return train.float(), Spikes(train.sum(0) * scale, code, threshold, num_steps)


@pytest.mark.parametrize("num_steps", [1, 8, 32, 50])
def test_train_and_counts_survive_the_code(num_steps):
    train, spikes = make(num_steps)
    assert torch.equal(spikes.train, train)
    assert torch.equal(spikes.counts.float(), train.sum(0))


def test_count_bits_counts_ones():
    words = torch.tensor([0, 1, -1, 0x7FFFFFFF, -(2**31), 0x55555555], dtype=torch.int32)
    assert count_bits(words).tolist() == [bin(word & 0xFFFFFFFF).count("1") for word in words.tolist()]


def test_unpack_inverts_pack():
    train, spikes = make(32)
    for step in range(32):
        assert torch.equal(unpack_step(spikes.code, step), train[step])


def test_an_analog_layer_reads_threshold_times_count():
    train, spikes = make()
    layer = nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), nn.Sigmoid()).eval()
    torch.testing.assert_close(layer(spikes), layer(0.5 * train.sum(0)))


def test_flatten_keeps_the_spikes():
    train, spikes = make()
    flat = nn.Flatten()(spikes)
    assert isinstance(flat, Spikes)
    assert torch.equal(flat.train, train.flatten(2))
    assert torch.equal(torch.flatten(spikes, 1).code, flat.code)


def test_flatten_spreads_channel_thresholds_over_features():
    _, spikes = make(threshold=[1.0, 2.0, 4.0])
    flat = spikes.flatten(1)
    torch.testing.assert_close(flat.value, flat.counts * flat.threshold)


def test_reshape_that_mixes_channels_is_refused():
    _, spikes = make(threshold=[1.0, 2.0, 4.0])
    with pytest.raises(ValueError, match="channels have own thresholds"):
        spikes.reshape(2, 5, 3)


def test_dropout_leaves_spikes_alone():
    _, spikes = make()
    assert nn.Dropout(0.9).train()(spikes) is spikes


def test_wrong_code_is_refused():
    with pytest.raises(ValueError, match=r"shape \(4,\) found, \(5,\) expected"):
        Spikes(torch.zeros(5), torch.zeros(4, dtype=torch.int32), torch.ones(1), 8)

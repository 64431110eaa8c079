"""The separator in C gives PyTorch's spikes and samples, whole or in chunks."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny_runtime import CASES, c_separator, converted, noise
from tiny_separator import TINY

from spiking_tasnet.runtime.stn import pack_separator
from spiking_tasnet.snn.spikes import Spikes

WIDE = dataclasses.replace(
    TINY, n_filters=20, bn_chan=40, hid_chan=33, conv_kernel_size=5, n_blocks=4, n_src=3, stride=5
)
CAUSAL = dataclasses.replace(WIDE, causal=True)
EVEN = dataclasses.replace(CAUSAL, conv_kernel_size=2)


def streamed(separator, samples, sizes):
    """Sources, and the words of every layer (frames, chan), of samples pushed in chunks of `sizes`, repeated.

    No words of a chunk that is longer than what a layer keeps.
    """
    words, pieces, place, turn = [[] for _ in range(separator.n_layers)], [], 0, 0

    def collect():
        for layer, found in enumerate(words):
            found.extend(separator.words(layer, frame) for frame in range(len(found), separator.frames(layer)))

    while place < len(samples):
        pieces.append(separator.push(samples[place : place + sizes[turn % len(sizes)]]))
        place, turn = place + sizes[turn % len(sizes)], turn + 1
        collect()
    pieces.append(separator.finish())
    collect()
    return np.concatenate(pieces, axis=1), [
        np.stack(found) for found in words if all(word is not None for word in found)
    ]


@torch.no_grad()
def from_spikes(network, words, samples):
    """Sources and words of PyTorch's layers behind the encoding layer, whose spikes are given."""
    encoding, *others = network.separator
    x = Spikes(None, torch.from_numpy(words).t()[None], encoding.spike_amplitude, encoding.num_steps)
    found = []
    for layer in others:
        x = layer(x)
        found += [x.code[0].t().numpy()] if isinstance(x, Spikes) else []
    mixture = torch.from_numpy(samples)[None]
    masks, encoded = torch.sigmoid(network.mask(x)), torch.relu(network.encoder(network.pad(mixture).unsqueeze(1)))
    masks = masks.unflatten(1, (network.config.n_src, -1))
    return network.decode(masks, encoded, len(samples))[0].numpy(), found


@pytest.mark.parametrize("config", [TINY, WIDE, CAUSAL, EVEN], ids=["tiny", "wide", "causal", "two taps"])
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_spikes_and_samples_are_pytorchs(config, changes):
    network, samples = converted(config, **changes), noise(3001)
    separator = c_separator(pack_separator(network))
    sources, (encoding, *words) = streamed(separator, samples, [160])
    expected, expected_words = from_spikes(network, encoding, samples)
    assert len(words) == config.n_blocks - 1 and all(map(np.array_equal, words, expected_words))
    assert sources.shape == expected.shape and np.abs(sources - expected).max() < 1e-5

    assert separator.spikes(0) == sum(bin(word & 0xFFFFFFFF).count("1") for word in encoding.ravel().tolist())


@pytest.mark.parametrize("config", [TINY, WIDE, CAUSAL, EVEN], ids=["tiny", "wide", "causal", "two taps"])
@pytest.mark.parametrize("level", [1.0, 0.01])
def test_what_encodes_fires_pytorchs_spikes_too(config, level):
    network, samples = converted(config, **CASES["8 bits"]), level * noise(24000)
    separator = c_separator(pack_separator(network))
    sources, (encoding, *_) = streamed(separator, samples, [160])
    found = []
    handle = network.separator[0].register_forward_hook(lambda _, __, spikes: found.append(spikes.code[0].t().numpy()))
    with torch.no_grad():
        expected = network(torch.from_numpy(samples)[None])[0].numpy()
    handle.remove()
    assert encoding.any() and np.array_equal(found[0], encoding)
    assert np.abs(sources - expected).max() < 1e-5


@pytest.mark.parametrize("changes", [CASES["float"], CASES["8 bits"]], ids=["float", "8 bits"])
def test_chunks_of_any_sizes_give_the_same(changes):
    separator = c_separator(pack_separator(converted(WIDE, **changes)))
    samples, random = noise(4321), np.random.default_rng(3)
    expected, expected_words = streamed(separator, samples, [100])
    for sizes in ([4321], [1], [80], [2000, 0, 3], random.integers(0, 300, 40).tolist()):
        separator.reset()
        sources, words = streamed(separator, samples, sizes)
        assert np.array_equal(sources, expected)
        assert max(sizes) > 320 or (len(words) == 4 and all(map(np.array_equal, words, expected_words)))


@pytest.mark.parametrize("n_samples", [0, 1, 15, 16, 17, 24, 31, 300])
def test_as_many_samples_come_out_as_went_in(n_samples):
    network = converted()
    separator, samples = c_separator(pack_separator(network)), noise(n_samples)
    sources = np.concatenate([separator.push(samples), separator.finish()], axis=1)
    assert sources.shape == (2, n_samples)
    padded = np.pad(samples, (0, max(0, TINY.kernel_size - n_samples)))
    with torch.no_grad():
        expected = network(torch.from_numpy(padded)[None])[0, :, :n_samples].numpy()
    assert not n_samples or np.abs(sources - expected).max() < 1e-4
    assert separator.finish().shape == (2, 0)


@pytest.mark.parametrize("config", [WIDE, CAUSAL], ids=["both sides", "causal"])
def test_the_latency_is_what_it_says(config):
    separator = c_separator(pack_separator(converted(config)))
    frames_ahead = 0 if config.causal else sum(2**block * 2 for block in range(WIDE.n_blocks))
    assert separator.latency == frames_ahead * WIDE.stride + WIDE.kernel_size - 1
    pushed = given = most = 0
    for _ in range(3000):
        pushed += 1
        given += separator.push(noise(1)).shape[1]
        most = max(most, pushed - given)
    assert most == separator.latency


def test_silence_gives_silence():
    separator = c_separator(pack_separator(converted()))
    assert not np.concatenate([separator.push(np.zeros(500)), separator.finish()], axis=1).any()


def test_what_is_not_finite_is_refused_and_leaves_nothing():
    separator, samples = c_separator(pack_separator(converted())), noise(900)
    first = separator.push(samples[:500])
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match="NaN or infinite"):
            separator.push(np.array([0.0, wrong]))
    sources = np.concatenate([first, separator.push(samples[500:]), separator.finish()], axis=1)
    separator.reset()
    assert np.array_equal(sources, np.concatenate([separator.push(samples), separator.finish()], axis=1))
    with pytest.raises(ValueError, match="after finish"):
        separator.push(samples)


def test_memory_is_that_of_the_model_however_much_runs_through():
    separator = c_separator(pack_separator(converted(**CASES["8 bits"])))
    before, total = separator.memory, 0
    for _ in range(200):
        total += separator.push(noise(8000)).shape[1]
    assert separator.memory == before < 1 << 20
    assert total + separator.finish().shape[1] == 200 * 8000

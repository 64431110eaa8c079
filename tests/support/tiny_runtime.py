"""Tiny separators for the C runtime, converted in the ways that its file can carry, and what stands for their input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_separator import TINY, tiny_network

from spiking_tasnet.runtime.backend import CSeparator, runtime_fault
from spiking_tasnet.separation.config import ModelConfig
from spiking_tasnet.separation.network import TasNet
from spiking_tasnet.snn import convert
from spiking_tasnet.snn.constraints import Constraints

CASES = {
    "float": {},
    "float, 32 steps, a threshold per channel": {"num_steps": 32, "channel_wise": True},
    "float, spread": {"encoding": "spread", "v_init": 0.5},
    "float, phased": {"firing": "phased", "v_init": 0.5},
    "8 bits, phased": {
        **{"firing": "phased", "v_init": 0.5, "channel_wise": True},
        "constraints": Constraints(weight_bits=8, per_channel=True),
    },
    "8 bits": {"constraints": Constraints(weight_bits=8)},
    "8 bits, rounded, 5 steps": {"num_steps": 5, "v_init": 0.5, "constraints": Constraints(weight_bits=8)},
    "4 bits, everything a channel": {
        "channel_wise": True,
        "encoding": "spread",
        "constraints": Constraints(weight_bits=4, per_channel=True),
    },
}


def converted(config: ModelConfig = TINY, num_steps: int = 8, **changes) -> TasNet:
    """An untrained network that fires, converted without training."""
    network = tiny_network(config=config)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        noise = 0.1 * torch.randn(2, 4000)
    convert(network, lambda: network(noise), num_steps=num_steps, **changes)
    return network


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    """A mixture (n_samples,) at about the level of the training mixtures."""
    return (0.12 * np.random.default_rng(seed).standard_normal(n_samples)).astype(np.float32)


def c_separator(contents: bytes) -> CSeparator:
    """The separator in C; the test is skipped, with the reason, where the runtime cannot be built."""
    if fault := runtime_fault():
        pytest.skip(f"the C runtime is not there: {fault}")
    return CSeparator(contents)

"""Spike trains packed into 32-bit words, one word per neuron: bit t is the spike of step t + 1."""

from __future__ import annotations

import torch
from torch import Tensor

MAX_PACKED_STEPS = 32


def is_packed(code: Tensor, num_steps: int) -> bool:
    """Whether `code` holds one word per neuron; otherwise it is a dense train, (num_steps, ...)."""
    return code.dtype == torch.int32 and num_steps <= MAX_PACKED_STEPS


def pack(train: Tensor) -> Tensor:
    """Pack a train of 0/1, (num_steps, ...) with at most 32 steps, into int32 words, (...): bit t is step t + 1."""
    words = torch.zeros(train.shape[1:], dtype=torch.int32, device=train.device)
    for step, spikes in enumerate(train):
        words |= spikes.to(torch.int32) << step
    return words


def unpack_step(words: Tensor, step: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The 0/1 spikes of one step, shaped like `words`."""
    return ((words >> step) & 1).to(dtype)


def count_bits(words: Tensor) -> Tensor:
    """Number of spikes in each int32 word, int32 (Eq. 6 by popcount).

    Sums of neighbouring fields: 16 pairs of bits, then 8 fields of 4 bits, 4 of 8, and so on (Warren, 2012).
    """
    bits = words - ((words >> 1) & 0x55555555)
    bits = (bits & 0x33333333) + ((bits >> 2) & 0x33333333)
    bits = (bits + (bits >> 4)) & 0x0F0F0F0F
    bits = bits + (bits >> 8)
    return (bits + (bits >> 16)) & 0x3F

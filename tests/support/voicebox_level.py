"""A reference for active speech levels: P.56 as VOICEBOX's activlev has it by default, one sample after another.

Written from the description alone, with nothing of the package. The filters are found numerically from what they
should do, run in direct form, and every signal of a list goes through the same loop, so that a few hundred take a
second.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np


def active_levels(signals: list[np.ndarray], rate: int) -> list[float]:
    """Active level of each signal (n_samples,) as a mean square amplitude."""
    high, low = coefficients(rate)
    filters = [high] if low is None else [high, low]
    tail = int(np.ceil(0.35 * rate))
    lengths = np.array([len(signal) + tail for signal in signals])
    padded = np.zeros((lengths.max(), len(signals)))
    for place, signal in enumerate(signals):
        padded[: len(signal), place] = signal
    pole = np.exp(-1 / rate / 0.03)
    memory = [(np.zeros((5, len(signals))), np.zeros((5, len(signals)))) for _ in filters]
    first = second = np.zeros(len(signals))
    energy, powers = np.zeros(len(signals)), np.zeros(padded.shape)
    for moment, sample in enumerate(padded):
        for (b, a), (inputs, outputs) in zip(filters, memory, strict=True):
            value = b[0] * sample + b[1:] @ inputs - a[1:] @ outputs
            inputs[1:], outputs[1:] = inputs[:-1].copy(), outputs[:-1].copy()
            inputs[0], outputs[0] = sample, value
            sample = value
        inside = moment < lengths
        energy += np.where(inside, sample**2, 0)
        first = pole * first + (1 - pole) * np.abs(sample)
        second = pole * second + (1 - pole) * first
        powers[moment] = np.where(inside, second**2, 0)
    return [one_level(powers[:n, i].tolist(), energy[i], rate) for i, n in enumerate(lengths)]


def one_level(powers: list[float], energy: float, rate: int) -> float:
    """The level at which energy over activity lies 15.9 dB above the threshold of activity."""
    window = int(np.ceil(0.2 * rate)) + 1
    top = math.floor(math.log2(max(powers))) + 1  # the largest power lies in [2^(top-1), 2^top)
    moments, kept = (
        [0] * 20,
        deque(),
    )  # moments of each bin; a decreasing run of powers, so that its head is the largest
    for moment, power in enumerate(powers):
        while kept and kept[-1][1] <= power:
            kept.pop()
        kept.append((moment, power))
        if kept[0][0] <= moment - window:
            kept.popleft()
        largest = kept[0][1]
        moments[min(top - 1 - math.floor(math.log2(largest)), 19) if largest else 19] += 1
    counts = [sum(moments[: k + 1]) for k in range(20)]
    level = [10 * np.log10(energy / count) for count in counts]
    excess = [level[k] - 10 * np.log10(2.0 ** (top - 1 - k)) - 15.9 for k in range(20)]
    for k in range(19):
        if excess[k] < 0 <= excess[k + 1]:
            part = -excess[k] / (excess[k + 1] - excess[k])
            return 10 ** ((level[k] + part * (level[k + 1] - level[k])) / 10)
    return 10 ** (level[19 if excess[19] <= 0 else 0] / 10)


def coefficients(rate: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray] | None]:
    """Numerator and denominator of the high pass, and of the low pass where the rate is at least 2.2 times 5.5 kHz."""
    zeros, poles = analog_high_pass(stop_edge())

    def digital(root: complex, edge: float, kind: str) -> complex:
        warped = np.tan(np.pi * edge / rate)
        s = root * warped if kind == "high" else warped / root if root else None
        return -1.0 if s is None else (1 + s) / (1 - s)

    made = {}
    for kind, edge in (("high", 200.0), ("low", 5500.0)):
        b = np.poly([digital(root, edge, kind) for root in zeros]).real
        a = np.poly([digital(root, edge, kind) for root in poles]).real
        at = np.array([(-1.0) ** k for k in range(6)]) if kind == "high" else np.ones(6)  # no loss at this end
        made[kind] = b * (a @ at) / (b @ at), a
    return made["high"], made["low"] if rate >= 2.2 * 5500 else None


def analog_high_pass(stop: float) -> tuple[list[complex], list[complex]]:
    """Zeros and poles of the Chebyshev high pass of the second kind, order 5, with 50 dB from 0 to `stop` rad/s."""
    angles = [np.pi * (2 * k + 1) / 10 for k in range(5)]
    zeros = [1j * stop * np.cos(angle) for angle in angles]
    zeros[2] = 0.0
    width = np.arcsinh(np.sqrt(10**5 - 1)) / 5
    inner = [-np.sinh(width) * np.sin(angle) + 1j * np.cosh(width) * np.cos(angle) for angle in angles]
    return zeros, [stop * root for root in inner]


def stop_edge() -> float:
    """The stop band's edge for which the response at 1 rad/s is -0.25 dB, by halving intervals."""
    low, high = 0.1, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        zeros, poles = analog_high_pass(middle)
        response = np.prod([abs(1j - zero) for zero in zeros]) / np.prod([abs(1j - pole) for pole in poles])
        low, high = (middle, high) if 20 * np.log10(response) > -0.25 else (low, middle)
    return low

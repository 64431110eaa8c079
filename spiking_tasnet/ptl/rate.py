"""Rate-coded conversion (Diehl et al., 2015; Rueckauer et al., 2017), simulated in windows of constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from spiking_tasnet.snn import convertible_layers
from spiking_tasnet.snn.words import MAX_PACKED_STEPS


def simulate_rate(network: nn.Module, x: Tensor, num_steps: int) -> Iterator[tuple[int, Tensor]]:
    """Run a network converted with the method ``rate`` and read it after every window.

    Args:
        network: whose layers carry their membranes from window to window.
        x: the input, a constant current into the first layer at every step.
        num_steps: N_s, any number.

    Yields:
        Steps simulated so far, and the network's output from the mean rates up to there.

    Raises:
        ValueError: the network is not rate-coded, or calls a layer more than once, which has one membrane to go on
            from.
    """
    layers = convertible_layers(network).values()
    coded = [layer for layer in layers if layer.role == "rate"]
    if not coded:
        raise ValueError("no rate-coded layer found: convert the network with method='rate' first")
    whole = [layer.settings for layer in coded]
    try:
        for layer in coded:
            layer.reset()
            layer.continues = True
        done = 0
        while done < num_steps:
            window = min(MAX_PACKED_STEPS, num_steps - done)
            for layer in coded:
                layer.settings = replace(layer.settings, num_steps=window)
            with torch.no_grad():
                output = network(x)
            done += window
            if any(layer.window is None or layer.window.elapsed != done for layer in coded):
                raise ValueError("a rate-coded layer that the network calls more than once or never found: make copies")
            yield done, output
    finally:
        for layer, settings in zip(coded, whole, strict=True):
            layer.settings, layer.continues = settings, False
            layer.reset()

"""One spiking convolution in other libraries, set up so that their neurons fire as ours; those installed are compared.

snnTorch and norse fire above the threshold, not at it: with random weights nobody sees the difference. SpikingJelly's
soft reset is `v_reset=None`; sinabs needs `SingleSpike`; norse has no neuron without leak, so its leak is made to
vanish and its input scaled to match.

Each function takes a convolution and a threshold and returns a function from a train (num_steps, batch, chan,
n_frames) to the train fired.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

Peer = Callable[[Tensor], Tensor]
LEAK = 2.0**-20  # of norse, a step


def spikingjelly(conv: nn.Module, threshold: float) -> Peer:
    """Multi-step mode: the convolution takes all steps as one batch."""
    from spikingjelly.activation_based import functional, layer, neuron

    net = nn.Sequential(
        layer.SeqToANNContainer(conv), neuron.IFNode(v_threshold=threshold, v_reset=None, step_mode="m")
    )

    def run(train: Tensor) -> Tensor:
        functional.reset_net(net)
        return net(train)

    return run


def snntorch(conv: nn.Module, threshold: float) -> Peer:
    """Leaky with beta 1, step by step; its reset comes with the next step, as in Eq. 4."""
    import snntorch as snn

    cell = snn.Leaky(beta=1.0, threshold=threshold, reset_mechanism="subtract")

    def run(train: Tensor) -> Tensor:
        membrane, fired = torch.zeros(()), []
        for spikes in train:
            out, membrane = cell(conv(spikes), membrane)
            fired.append(out)
        return torch.stack(fired)

    return run


def sinabs(conv: nn.Module, threshold: float) -> Peer:
    """IAF over (batch, time, ...): steps are a batch for the convolution."""
    from sinabs.activation import SingleSpike
    from sinabs.layers import IAF

    cell = IAF(spike_threshold=torch.tensor(threshold), spike_fn=SingleSpike)

    def run(train: Tensor) -> Tensor:
        cell.reset_states()
        num_steps, batch = train.shape[:2]
        current = conv(train.flatten(0, 1)).unflatten(0, (num_steps, batch))
        return cell(current.transpose(0, 1)).transpose(0, 1)

    return run


def norse(conv: nn.Module, threshold: float) -> Peer:
    """LIFBoxCell with reset by subtraction and a leak of 2**-20 a step."""
    from norse.torch import LIFBoxCell
    from norse.torch.functional.lif_box import LIFBoxParameters
    from norse.torch.functional.reset import reset_subtract

    cell = LIFBoxCell(
        LIFBoxParameters(tau_mem_inv=torch.tensor(LEAK), v_th=torch.tensor(threshold), reset_method=reset_subtract),
        dt=1.0,
    )

    def run(train: Tensor) -> Tensor:
        state, fired = None, []
        for spikes in train:
            out, state = cell(conv(spikes) / LEAK, state)
            fired.append(out)
        return torch.stack(fired)

    return run


def installed() -> Iterator[tuple[str, Callable[[nn.Module, float], Peer]]]:
    """Names and makers of the libraries that are here."""
    for name, make in (("SpikingJelly", spikingjelly), ("snnTorch", snntorch), ("sinabs", sinabs), ("norse", norse)):
        if importlib.util.find_spec(make.__name__) is not None:
            yield name, make

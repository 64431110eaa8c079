"""Permutation-invariant SI-SDR (Eq. 14), from asteroid."""

from __future__ import annotations

import torch
from asteroid.losses import PITLossWrapper, pairwise_neg_sisdr
from torch import Tensor


def pit_si_sdr(cap_db: float = 0.0) -> PITLossWrapper:
    """Negative SI-SDR in dB of zero-mean signals, of the best permutation, averaged over the batch.

    Args:
        cap_db: count an SI-SDR softly up to this, see `capped_neg_si_sdr`; 0 for no cap.

    Shape:
        (est_sources, sources), both (batch, n_src, time) -> scalar. With ``return_est=True`` also the estimates in
        the order of the sources.
    """
    if not cap_db:
        return PITLossWrapper(pairwise_neg_sisdr, pit_from="pw_mtx")
    return PITLossWrapper(lambda est, ref: capped_neg_si_sdr(est, ref, cap_db), pit_from="pw_mtx")


def capped_neg_si_sdr(est_sources: Tensor, sources: Tensor, cap_db: float) -> Tensor:
    """Pairwise negative SI-SDR with a soft threshold (Wisdom et al., 2020), dB.

    With the target t, the projection of the estimate on the source, and the error e, it is
    -10 log10(|t|^2 / (|e|^2 + tau |t|^2)), tau = 10^(-cap_db / 10): an estimate that is nearly perfect, as of a segment
    in which the other talker is silent, has a vanishing gradient instead of a dominant one.

    Shape:
        (batch, n_est, time), (batch, n_src, time) -> (batch, n_est, n_src).
    """
    est = (est_sources - est_sources.mean(-1, keepdim=True)).float()
    ref = (sources - sources.mean(-1, keepdim=True)).float()
    est_energy, ref_energy = est.square().sum(-1).unsqueeze(2), ref.square().sum(-1).unsqueeze(1)
    # Pairwise energies follow from inner products: |t|^2 = <est, ref>^2 / |ref|^2, |e|^2 = |est|^2 - |t|^2.
    target = torch.einsum("bit,bjt->bij", est, ref).square() / (ref_energy + 1e-8)
    error = (est_energy - target).clamp(min=0)
    floor = 1e-8 * est_energy + 1e-20  # -80 dB: a silent source, or estimate, gives a finite value without a gradient
    return -10 * torch.log10((target + floor) / (error + 10 ** (-cap_db / 10) * target + floor))

"""Permutation-invariant SI-SDR (Eq. 14), from asteroid."""

from __future__ import annotations

from asteroid.losses import PITLossWrapper, pairwise_neg_sisdr


def pit_si_sdr() -> PITLossWrapper:
    """Negative SI-SDR in dB of zero-mean signals, of the best permutation, averaged over the batch.

    Shape:
        (est_sources, sources), both (batch, n_src, time) -> scalar. With ``return_est=True`` also the estimates in
        the order of the sources.
    """
    return PITLossWrapper(pairwise_neg_sisdr, pit_from="pw_mtx")

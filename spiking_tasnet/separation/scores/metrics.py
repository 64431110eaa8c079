"""Objective scores of separated speech: SI-SDR (Eq. 14), BSS-eval SDR, PESQ and STOI, and their gains over the mixture.

Conventions, all tested:

- Estimates and references are paired by the permutation with the best mean SI-SDR, as in training; the other
  metrics use that pairing.
- A silent reference has no score: that is an error. A silent estimate scores -inf dB, whatever the reference.
- dB values of everything else lie within +-`MAX_DB`, the reach of float64.
- PESQ, STOI or SDR that cannot be measured (no speech found, too short) is `None`, never a number.
- PESQ of a long recording is a mean over pieces, see `p862`.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.fft import next_fast_len
from scipy.linalg import toeplitz
from scipy.optimize import linear_sum_assignment

from spiking_tasnet.separation.scores import p862

METRICS = ("si_sdr", "sdr", "pesq", "stoi")
DB_METRICS = ("si_sdr", "sdr")  # those with a gain over the mixture, `<name>_i`
PACKAGES = {"pesq": "pesq", "stoi": "pystoi"}
PESQ_RATES = (8000, 16000)
MAX_DB = 150.0
BSS_FILTER_LENGTH = 512  # taps; BSS-eval version 3
STOI_SHORTEST = 0.384  # seconds: thirty frames of 12.8 ms are compared at a time


def is_silent(signal: np.ndarray) -> bool:
    """Say whether `signal` (time,) is constant: nothing is left when its mean is removed."""
    power = np.mean(np.square(signal, dtype=np.float64))
    return bool(np.var(signal, dtype=np.float64) <= 1e-20 * power)


def si_sdr(est: np.ndarray, ref: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio, Eq. 14, of zero-mean signals in float64.

    The part of `est` that `ref` explains is its projection `<est, ref> / <ref, ref> * ref`; the rest is distortion.

    Args:
        est: estimate (time,), any scale.
        ref: reference (time,).

    Returns:
        dB, within +-`MAX_DB`; -inf for a silent estimate.

    Raises:
        ValueError: the reference is silent, or the lengths differ.
    """
    _check_pair(est, ref)
    if is_silent(est):
        return float("-inf")
    est = np.asarray(est, dtype=np.float64) - np.mean(est, dtype=np.float64)
    ref = np.asarray(ref, dtype=np.float64) - np.mean(ref, dtype=np.float64)
    target = np.dot(est, ref) / np.dot(ref, ref) * ref
    return _ratio_db(target, est - target)


def sdr(est: np.ndarray, ref: np.ndarray) -> float | None:
    """Signal-to-distortion ratio of BSS-eval (version 3): any 512-tap filter of the reference counts as target.

    The target is the projection of `est` on the reference and its delays by 1 to 511 samples, which the normal
    equations R h = c give: R the Toeplitz matrix of the reference's autocorrelation, c its correlation with `est`.
    (The packages that compute it are no longer kept up: mir_eval drops it, fast_bss_eval fails with numpy 2 on
    paired signals. Both are references in the tests.)

    Args:
        est: estimate (time,).
        ref: reference (time,).

    Returns:
        dB, within +-`MAX_DB`; -inf for a silent estimate; `None` where the signals are no longer than the filter,
        which then explains any estimate.

    Raises:
        ValueError: the reference is silent, or the lengths differ.

    References:
        Vincent, Gribonval, Fevotte, "Performance measurement in blind audio source separation", 2006.
    """
    _check_pair(est, ref)
    if len(ref) <= BSS_FILTER_LENGTH:
        return None
    if is_silent(est):
        return float("-inf")
    padding = (0, BSS_FILTER_LENGTH - 1)  # room for the tail of the filtered reference
    est, ref = (np.pad(np.asarray(signal, dtype=np.float64), padding) for signal in (est, ref))
    n_fft = next_fast_len(len(ref) + BSS_FILTER_LENGTH, real=True)
    spectrum = np.fft.rfft(ref, n_fft)
    autocorrelation = np.fft.irfft(np.abs(spectrum) ** 2, n_fft)[:BSS_FILTER_LENGTH]
    correlation = np.fft.irfft(np.conj(spectrum) * np.fft.rfft(est, n_fft), n_fft)[:BSS_FILTER_LENGTH]
    try:
        taps = np.linalg.solve(toeplitz(autocorrelation), correlation)
    except np.linalg.LinAlgError:  # a reference of a few pure tones: some of its delays are copies
        taps = np.linalg.lstsq(toeplitz(autocorrelation), correlation)[0]
    target = np.fft.irfft(spectrum * np.fft.rfft(taps, n_fft), n_fft)[: len(ref)]
    return _ratio_db(target, est - target)


def pesq(est: np.ndarray, ref: np.ndarray, sample_rate: int) -> float | None:
    """PESQ, narrow band (ITU-T P.862), as MOS-LQO of about 1.0 to 4.5; `None` where P.862 finds no speech.

    Above `p862.LONGEST` seconds it is the mean over pieces, weighted by their lengths: the code of P.862 cannot take
    more. On speech of 20 to 32 s that was 0.03 below the value of the whole on average (0.08 rms).

    Args:
        est: estimate (time,).
        ref: reference (time,).
        sample_rate: 8000 or 16000 Hz.

    Raises:
        ValueError: the reference is silent, the lengths differ, or P.862 does not know the sample rate.
    """
    _check_pair(est, ref)
    check_metrics(["pesq"], sample_rate)
    return None if is_silent(est) else p862.mos_lqo(ref, est, sample_rate)


def stoi(est: np.ndarray, ref: np.ndarray, sample_rate: int) -> float | None:
    """Short-time objective intelligibility, about 0 to 1; `None` where under 0.4 s of speech is left to compare.

    Args:
        est: estimate (time,).
        ref: reference (time,).
        sample_rate: Hz; the measure is defined at 10 kHz, to which both are resampled.

    Raises:
        ValueError: the reference is silent, or the lengths differ.
    """
    from pystoi import stoi as short_time_intelligibility

    _check_pair(est, ref)
    if len(ref) < STOI_SHORTEST * sample_rate:  # the package fails below one frame
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            value = short_time_intelligibility(np.asarray(ref, np.float64), np.asarray(est, np.float64), sample_rate)
        except RuntimeWarning:  # the package warns of too few frames and returns a token value
            return None
    return float(value)


def best_permutation(est_sources: np.ndarray, sources: np.ndarray) -> tuple[int, ...]:
    """Pair estimates with references by the best mean SI-SDR.

    Args:
        est_sources: (n_est, time), at least as many as references.
        sources: (n_src, time).

    Returns:
        For each reference the index of its estimate, length n_src.
    """
    pairwise = np.array([[si_sdr(est, ref) for ref in sources] for est in est_sources])  # (n_est, n_src)
    # A silent estimate must neither win nor make every permutation look the same.
    by_source = np.maximum(pairwise, -1e6).T
    return tuple(int(index) for index in linear_sum_assignment(by_source, maximize=True)[1])


def columns(metrics: Sequence[str]) -> list[str]:
    """Return the names `score_mixture` gives for `metrics`, in order; SI-SDR, which does the pairing, always."""
    names = []
    for name in METRICS:
        if name in metrics or name == "si_sdr":
            names += [name, f"{name}_i"] if name in DB_METRICS else [name]
    return names


def check_metrics(metrics: Sequence[str], sample_rate: int | None = None) -> None:
    """Refuse metrics that are unknown, whose package is absent, or that are not defined at `sample_rate` (Hz).

    Raises:
        ValueError: one line that says what to do.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise ValueError(f"unknown metric {unknown[0]!r}; known are {','.join(METRICS)}")
    for name in metrics:
        package = PACKAGES.get(name)
        if package and importlib.util.find_spec(package) is None:
            others = ",".join(other for other in metrics if other != name)
            raise ValueError(f"{name} needs the package {package}: pip install {package}, or --metrics {others}")
    if "pesq" in metrics and sample_rate is not None and sample_rate not in PESQ_RATES:
        others = ",".join(other for other in metrics if other != "pesq")
        raise ValueError(f"{sample_rate} Hz found, 8000 or 16000 Hz expected by PESQ; leave it out: --metrics {others}")


def score_mixture(
    est_sources: np.ndarray,
    sources: np.ndarray,
    mixture: np.ndarray,
    sample_rate: int,
    metrics: Sequence[str] = METRICS,
) -> tuple[tuple[int, ...], dict[str, float | None]]:
    """Score one mixture: each metric is the mean over its sources.

    Args:
        est_sources: estimates (n_src, time), in any order and at any scale; repeat the mixture to score it.
        sources: references (n_src, time).
        mixture: (time,); what the gains `si_sdr_i` and `sdr_i` are measured against.
        sample_rate: Hz.
        metrics: some of `METRICS`.

    Returns:
        The index of the estimate of each reference, and the scores by the names of `columns(metrics)`: None where PESQ,
        STOI or SDR cannot be measured for one of the sources, -inf where an estimate is silent.

    Raises:
        ValueError: a reference is silent, or lengths, numbers of sources or the rate do not fit.
    """
    check_metrics(metrics, sample_rate)
    if len(est_sources) != len(sources):
        raise ValueError(f"{len(est_sources)} estimates found, {len(sources)} expected, one a reference")
    for number, ref in enumerate(sources, start=1):
        if is_silent(ref):
            raise ValueError(f"reference {number} is silent, speech expected; take this mixture out of the list")
    perm = best_permutation(est_sources, sources)
    pairs = [(est_sources[index], ref) for index, ref in zip(perm, sources, strict=True)]
    measure = {
        "si_sdr": si_sdr,
        "sdr": sdr,
        "pesq": lambda est, ref: pesq(est, ref, sample_rate),
        "stoi": lambda est, ref: stoi(est, ref, sample_rate),
    }
    scores: dict[str, float | None] = {}
    for name in METRICS:
        if name not in columns(metrics):
            continue
        value = scores[name] = _mean(measure[name](est, ref) for est, ref in pairs)
        if name in DB_METRICS:
            before = _mean(measure[name](mixture, ref) for ref in sources)
            scores[f"{name}_i"] = None if value is None or before is None else value - before
    return perm, scores


def _ratio_db(target: np.ndarray, distortion: np.ndarray) -> float:
    """Power ratio of two signals in dB, within +-`MAX_DB`."""
    with np.errstate(divide="ignore"):
        ratio_db = 10 * (np.log10(np.dot(target, target)) - np.log10(np.dot(distortion, distortion)))
    return float(np.clip(ratio_db, -MAX_DB, MAX_DB))


def _mean(values: Iterable[float | None]) -> float | None:
    """Mean, or `None` if one value is `None`."""
    found = list(values)
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if len(known) == len(found) else None


def _check_pair(est: np.ndarray, ref: np.ndarray) -> None:
    """Refuse signals that cannot be compared."""
    if np.ndim(est) != 1 or np.shape(est) != np.shape(ref):
        raise ValueError(f"estimate {np.shape(est)} and reference {np.shape(ref)} found, equally long (time,) expected")
    if is_silent(ref):
        raise ValueError("the reference is silent: no score is defined")

"""Scores against other implementations, closed forms and the stated behaviour at the edges."""

import itertools
import math
import warnings

import numpy as np
import pytest
import torch
from asteroid.losses import pairwise_neg_sisdr
from tiny_experiment import RATE, speech_like

from spiking_tasnet.separation.scores import metrics


@pytest.fixture(scope="module")
def scene():
    """Two sources, their mixture, and estimates with a tenth of the other talker, swapped."""
    rng = np.random.default_rng(3)
    sources = np.stack([speech_like(rng), speech_like(rng)]).astype(np.float64)
    est_sources = np.stack([sources[1] + 0.1 * sources[0], 5 * (sources[0] + 0.3 * sources[1])])
    return sources, sources.sum(axis=0), est_sources


def orthogonal_pair(n=4000):
    """Two zero-mean orthogonal signals of unit power."""
    time = np.arange(n) / n
    return math.sqrt(2) * np.sin(2 * np.pi * 40 * time), math.sqrt(2) * np.sin(2 * np.pi * 90 * time)


def test_si_sdr_equals_the_closed_form():
    ref, noise = orthogonal_pair()
    assert metrics.si_sdr(ref + 0.1 * noise, ref) == pytest.approx(20.0, abs=1e-9)
    assert metrics.si_sdr(-7 * (ref + noise) + 3, ref + 11) == pytest.approx(0.0, abs=1e-9)


def test_si_sdr_equals_asteroid(scene):
    sources, _, est_sources = scene
    reference = -pairwise_neg_sisdr(torch.tensor(est_sources)[None], torch.tensor(sources)[None])[0].numpy()
    ours = [[metrics.si_sdr(est, ref) for ref in sources] for est in est_sources]
    np.testing.assert_allclose(ours, reference, atol=1e-4)


def test_sdr_equals_mir_eval(scene):
    separation = pytest.importorskip("mir_eval.separation", reason="mir_eval 0.9 no longer has BSS-eval")
    sources, _, est_sources = scene
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of that removal
        reference, _, _, perm = separation.bss_eval_sources(sources, est_sources)
    assert tuple(perm) == metrics.best_permutation(est_sources, sources) == (1, 0)
    ours = [metrics.sdr(est_sources[index], ref) for index, ref in zip(perm, sources, strict=True)]
    np.testing.assert_allclose(ours, reference, atol=1e-4)


def test_sdr_equals_fast_bss_eval(scene):
    fast_bss_eval = pytest.importorskip("fast_bss_eval")
    sources, _, est_sources = scene
    reference = -fast_bss_eval.sdr_loss(est_sources, sources, pairwise=True)
    ours = [[metrics.sdr(est, ref) for est in est_sources] for ref in sources]  # (n_src, n_est)
    np.testing.assert_allclose(ours, reference, atol=1e-4)


def test_sdr_forgives_a_filter_and_si_sdr_does_not(scene):
    ref = scene[0][0]
    filtered = np.convolve(ref, [0.2, 0.9, -0.4])[: len(ref)]
    assert metrics.sdr(filtered, ref) > 40
    assert metrics.si_sdr(filtered, ref) < 20


def test_pairing_follows_si_sdr_for_three_sources():
    rng = np.random.default_rng(0)
    sources = np.stack([speech_like(rng, 0.5) for _ in range(3)])
    est_sources = sources[[2, 0, 1]] + 0.05 * speech_like(rng, 0.5)
    assert metrics.best_permutation(est_sources, sources) == (1, 2, 0)
    every = itertools.permutations(range(3))
    best = max(every, key=lambda perm: sum(map(metrics.si_sdr, est_sources[list(perm)], sources)))
    assert best == (1, 2, 0)


def test_score_mixture_gives_means_over_sources_and_gains(scene):
    sources, mixture, est_sources = scene
    perm, scores = metrics.score_mixture(est_sources, sources, mixture, RATE)
    assert perm == (1, 0) and list(scores) == ["si_sdr", "si_sdr_i", "sdr", "sdr_i", "pesq", "stoi"]
    paired = est_sources[[1, 0]]
    for name, function in (("si_sdr", metrics.si_sdr), ("sdr", metrics.sdr)):
        own = np.mean([function(est, ref) for est, ref in zip(paired, sources, strict=True)])
        before = np.mean([function(mixture, ref) for ref in sources])
        assert scores[name] == pytest.approx(own)
        assert scores[f"{name}_i"] == pytest.approx(own - before)
    assert 1 < scores["pesq"] < 4.6
    assert 0.5 < scores["stoi"] <= 1


def test_the_mixture_itself_gains_nothing(scene):
    sources, mixture, _ = scene
    perm, scores = metrics.score_mixture(np.stack([mixture] * 2), sources, mixture, RATE, ["si_sdr", "sdr"])
    assert perm == (0, 1)
    assert scores["si_sdr_i"] == scores["sdr_i"] == 0
    assert "pesq" not in scores


@pytest.mark.parametrize("scale", [1e-4, 1.0, 50.0])
def test_no_score_depends_on_the_level(scene, scale):
    sources, mixture, est_sources = scene
    _, expected = metrics.score_mixture(est_sources, sources, mixture, RATE)
    _, scaled = metrics.score_mixture(scale * est_sources, sources, mixture, RATE)
    for name in ("si_sdr", "sdr", "pesq", "stoi"):
        assert scaled[name] == pytest.approx(expected[name], abs=0.02 if name == "pesq" else 1e-4)


def test_pesq_and_stoi_of_the_reference_are_perfect(scene):
    ref = scene[0][0]
    assert metrics.pesq(ref, ref, RATE) == pytest.approx(4.55, abs=0.01)
    assert metrics.stoi(ref, ref, RATE) == pytest.approx(1, abs=1e-6)


def test_perfect_estimates_stay_finite(scene):
    ref = scene[0][0]
    assert 100 < metrics.si_sdr(ref, ref) <= metrics.MAX_DB
    assert 60 < metrics.sdr(ref, ref) <= metrics.MAX_DB


def test_a_silent_estimate_is_minus_infinity_and_does_not_disturb_the_pairing(scene):
    sources, mixture, est_sources = scene
    for silent in (0.0, 0.25):
        damaged = np.stack([est_sources[0], np.full_like(mixture, silent)])
        perm, scores = metrics.score_mixture(damaged, sources, mixture, RATE, ["si_sdr", "sdr", "pesq"])
        assert perm == (1, 0)  # the good estimate keeps its talker
        assert scores["si_sdr"] == scores["si_sdr_i"] == scores["sdr"] == -math.inf
        assert scores["pesq"] is None


def test_a_silent_reference_is_an_error(scene):
    sources, mixture, est_sources = scene
    with pytest.raises(ValueError, match="reference 2 is silent"):
        metrics.score_mixture(est_sources, np.stack([sources[0], np.zeros_like(mixture)]), mixture, RATE)
    with pytest.raises(ValueError, match="silent"):
        metrics.si_sdr(mixture, np.ones_like(mixture))


def test_too_little_speech_is_none(scene):
    short = scene[0][:, 1000:2000]  # an eighth of a second
    assert metrics.pesq(short[0], short[0], RATE) is None
    assert metrics.stoi(short[0], short[0], RATE) is None
    faint = 1e-9 * scene[0][0]
    faint[-1] = 1.0  # P.862 hears no utterance in a click
    assert metrics.pesq(faint, scene[0][0], RATE) is None or metrics.pesq(faint, scene[0][0], RATE) < 2


def test_metrics_that_cannot_be_measured_are_refused(scene):
    sources, mixture, est_sources = scene
    with pytest.raises(ValueError, match="11025 Hz found, 8000 or 16000 Hz expected.*--metrics si_sdr"):
        metrics.score_mixture(est_sources, sources, mixture, 11025, ["si_sdr", "pesq"])
    with pytest.raises(ValueError, match="unknown metric 'pesk'; known are si_sdr"):
        metrics.check_metrics(["pesk"])
    with pytest.raises(ValueError, match="1 estimates found, 2 expected"):
        metrics.score_mixture(est_sources[:1], sources, mixture, RATE)
    with pytest.raises(ValueError, match="equally long"):
        metrics.si_sdr(mixture[1:], mixture)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(metrics.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install pesq, or --metrics si_sdr"):
        metrics.check_metrics(["si_sdr", "pesq"])

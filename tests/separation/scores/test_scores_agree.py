"""Our scores of 50 mixtures against asteroid's and the pesq package's own, by way of the CSV that users read."""

import warnings

import numpy as np
import pytest
import soundfile
import torch
from asteroid.losses import PITLossWrapper, pairwise_neg_sisdr
from pesq import pesq
from tiny_experiment import GENDERS, RATE, write_estimates, write_subset

from spiking_tasnet.separation.scores.rows import read_scores, write_scores
from spiking_tasnet.separation.scores.score_set import score_set

COUNT = 50


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Mixtures with estimates that leak a little to a lot, and their CSV."""
    root = tmp_path_factory.mktemp("fifty")
    utterances = write_subset(root / "data", "tt", np.random.default_rng(5), (GENDERS * COUNT)[:COUNT])
    for utterance, leak in zip(utterances, np.linspace(0.02, 0.9, COUNT), strict=True):
        write_estimates(root / "est", [utterance], leak)
    write_scores(root / "scores.csv", score_set(root / "data" / "tt", root / "est", jobs=2))
    rows = {row.utt: row for row in read_scores(root / "scores.csv")}
    return root / "est", utterances, rows


def test_against_asteroid_and_pesq(scored):
    est_dir, utterances, rows = scored
    assert len(rows) == COUNT
    loss = PITLossWrapper(pairwise_neg_sisdr, pit_from="pw_mtx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of mir_eval, about its BSS-eval
        from asteroid.metrics import get_metrics

        for utterance in utterances:
            row, sources = rows[utterance.id], np.stack([soundfile.read(path)[0] for path in utterance.sources])
            mixture = soundfile.read(utterance.mixture)[0]
            paths = [est_dir / f"s{place}" / f"{utterance.id}.wav" for place in (1, 2)]
            est_sources = np.stack([soundfile.read(path)[0] for path in paths])
            value, paired = loss(torch.tensor(est_sources)[None], torch.tensor(sources)[None], return_est=True)
            assert row.scores["si_sdr"] == pytest.approx(-value.item(), abs=1e-3)
            paired = paired[0].numpy()
            np.testing.assert_array_equal(paired, est_sources[list(row.perm)])
            theirs = get_metrics(
                mixture, sources, paired, RATE, metrics_list=["si_sdr", "sdr", "stoi"], compute_permutation=False
            )
            for name in ("si_sdr", "sdr"):
                assert row.scores[name] == pytest.approx(theirs[name], abs=1e-3)
                assert row.scores[f"{name}_i"] == pytest.approx(theirs[name] - theirs[f"input_{name}"], abs=1e-3)
            assert row.scores["stoi"] == pytest.approx(theirs["stoi"], abs=1e-3)
            own = [pesq(RATE, source, est, "nb") for source, est in zip(sources, paired, strict=True)]
            assert row.scores["pesq"] == pytest.approx(np.mean(own), abs=1e-3)

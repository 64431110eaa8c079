"""MERL's procedure on closed-form signals, and its lists and names."""

import math

import numpy as np
import pytest

from spiking_tasnet.separation.lists import matlab_number, read_levels, read_list
from spiking_tasnet.separation.mixing import mix, resample


def tones(*lengths):
    return [np.sin(2 * np.pi * (300 + 170 * i) * np.arange(n) / 8000) for i, n in enumerate(lengths)]


@pytest.mark.parametrize("mode, n_samples", [("min", 4000), ("max", 6000)])
def test_level_ratio_sum_and_peak(mode, n_samples):
    sources = tones(4000, 6000)
    mixture, scaled = mix([5 * sources[0], 0.01 * sources[1]], [25 / 2, 1e-4 / 2], [2.5, -2.5], mode)
    assert mixture.shape == (n_samples,) and scaled.shape == (2, n_samples)
    np.testing.assert_allclose(mixture, scaled.sum(0), atol=1e-15)
    assert max(np.abs(mixture).max(), np.abs(scaled).max()) == pytest.approx(0.9, abs=1e-12)
    power = [(scaled[i, : len(s)] ** 2).mean() for i, s in enumerate([np.zeros(4000), np.zeros(n_samples)])]
    assert 10 * math.log10(power[0] / power[1]) == pytest.approx(5, abs=0.05)
    if mode == "max":
        assert not scaled[0, 4000:].any()


def test_the_peak_may_lie_in_a_source():
    tone = np.sin(2 * np.pi * 500 * np.arange(800) / 8000)
    mixture, scaled = mix([tone, -tone], [0.5, 0.5], [1, -1])
    assert np.abs(scaled).max() == pytest.approx(0.9) and np.abs(mixture).max() < 0.3


def test_what_cannot_be_mixed():
    with pytest.raises(ValueError, match="mode 'mean' found"):
        mix(tones(10, 10), [1, 1], [0, 0], "mean")
    late = np.r_[np.zeros(100), np.ones(100)]
    with pytest.raises(ValueError, match="source 2 is silent in the 50 samples kept"):
        mix([np.ones(50), late], [1, 1], [0, 0])
    with pytest.raises(ValueError, match="8000 Hz found, at least 16000 Hz expected"):
        resample(np.ones(50), 8000, 16000)


def test_resampling_keeps_a_tone_and_removes_what_does_not_fit():
    time = np.arange(16000) / 16000
    kept, gone = (resample(np.sin(2 * np.pi * hertz * time), 16000, 8000)[500:-500] for hertz in (1000, 6000))
    np.testing.assert_allclose(kept, np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)[500:-500], atol=1e-2)
    assert np.abs(gone).max() < 1e-2


@pytest.mark.parametrize(
    "value, text",
    [
        (1.9857, "1.9857"),
        (-0.079969, "-0.079969"),
        (2.0, "2"),
        (0.0, "0"),
        (-1.00201, "-1.002"),
        (12.345678, "12.3457"),
        (0.00001234567, "1.2346e-05"),
    ],
)
def test_numbers_as_matlab_prints_them(value, text):
    assert matlab_number(value) == text


def test_lists(tmp_path):
    path = tmp_path / "mix_2_spk_tr.txt"
    path.write_text("w/tr/01t/01t1.wav 0.764210 w/tr/20g/20g2.wav -0.764210 \n\nw/a/x.flac 1 w/b/y.flac -1\n")
    first, second = read_list(path)
    assert first.name == "01t1_0.76421_20g2_-0.76421" and second.name == "x_1_y_-1"
    assert first.speakers == ("01t", "20g") and first.gains == (0.76421, -0.76421)
    assert read_list(path, limit=1) == [first]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "no lines found"),
        ("a.wav 1 b.wav", "line 1 is"),
        ("a.wav one b.wav -1", "line 1 is"),
        ("a.wav nan b.wav -1", "line 1 is"),
        ("/a.wav 1 b.wav -1", "a path below the corpus root"),
        ("../a.wav 1 b.wav -1", "a path below the corpus root"),
        ("x/a.wav 1 x/b.wav -1\ny/a.wav 1 y/b.wav -1", "line 2 makes a_1_b_-1, as line 1 does"),
    ],
)
def test_bad_lists(tmp_path, text, message):
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_list(tmp_path / "list.txt")


def test_levels(tmp_path):
    (tmp_path / "activlev_a.txt").write_text("u1 1.5e-04\n")
    (tmp_path / "activlev_b.txt").write_text("u2 2\n\n")
    assert read_levels(tmp_path) == {"u1": 1.5e-4, "u2": 2.0}
    (tmp_path / "activlev_c.txt").write_text("u3 0\n")
    with pytest.raises(ValueError, match="activlev_c.txt: line 1"):
        read_levels(tmp_path)
    with pytest.raises(FileNotFoundError, match="no activlev_"):
        read_levels(tmp_path / "elsewhere")

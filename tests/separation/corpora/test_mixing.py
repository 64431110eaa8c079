"""MERL's procedure on closed-form signals, and its lists and names."""

import math

import numpy as np
import pytest

from spiking_tasnet.separation.audio.files import write_audio
from spiking_tasnet.separation.corpora.merl_lists import matlab_number, read_list
from spiking_tasnet.separation.corpora.mixing import mix, resample
from spiking_tasnet.separation.corpora.names import LONGEST


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
    assert first.talkers == ("01t", "20g") and first.gains == (0.76421, -0.76421)
    assert read_list(path, limit=1) == [first] and (first.number, second.number) == (1, 3)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_lists_that_went_through_another_system(tmp_path, encoding, end):
    path = tmp_path / "mix_2_spk_tr.txt"
    lines = ["w\\tr\\01t\\01t1.wav\t0.76\tw\\tr\\20g\\20g2.wav\t-0.76", "w/a/x.flac 1 w/b/ü.flac -1", ""]
    path.write_bytes(end.join(lines).encode(encoding))
    first, second = read_list(path)
    assert first.paths == ("w/tr/01t/01t1.wav", "w/tr/20g/20g2.wav") and first.gains == (0.76, -0.76)
    assert second.paths == ("w/a/x.flac", "w/b/ü.flac")


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
        ("x/a.wav 1 x\\..\\..\\b.wav -1", "line 1: .* a path below the corpus root"),
        ("C:\\x\\a.wav 1 x/b.wav -1", "line 1: .* a path below the corpus root"),
        ("x/a\0.wav 1 x/b.wav -1", "line 1: .* a path below the corpus root"),
        ("x/a.wav 1 x/b.wav -1\n\nx/a.wav 0 x/b.wav 1 x/c.wav 2", "line 3 mixes 3 talkers, line 1 mixes 2"),
        ("x/a.wav 1e308 x/b.wav -1", "line 1 is .* gains from -100 to 100 dB expected"),
        ("x/-a.wav 1 x/b.wav -1", "line 1: mixture '-a_1_b_-1' found, a name that begins with neither"),
        ("x/._a.wav 1 x/b.wav -1", "line 1: mixture '._a_1_b_-1' found, a name that begins with neither"),
        ("x/b.wav 1 x/a\x1b[2J.wav -1", "a path below the corpus root"),
        (f"x/{'a' * 120}.wav 1 x/{'b' * 120}.wav -1", "line 1: a mixture whose name has 246 bytes found"),
        (f"x/{'é' * 60}.wav 1 x/{'ü' * 60}.wav -1", "line 1: a mixture whose name has 246 bytes found"),
        ("a.wav 1 x/b.wav -1", "line 1: talker '' found"),
        ("x_y/a.wav 1 x/b.wav -1", "line 1: talker 'x_y' found, an id without spaces and _"),
    ],
)
def test_bad_lists(tmp_path, text, message):
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        read_list(tmp_path / "list.txt")
    assert "list.txt" in str(caught.value)


def test_a_list_that_is_no_utf_8_is_named_by_its_line(tmp_path):
    (tmp_path / "list.txt").write_bytes("x/a.wav 1 x/b.wav -1\nx/ü.wav 1 x/b.wav -1\n".encode("latin-1"))
    with pytest.raises(ValueError, match="list.txt: line 2: bytes that are not UTF-8 found"):
        read_list(tmp_path / "list.txt")


def test_the_longest_name_is_written(tmp_path):
    line = f"x/{'a' * 112}.wav 1 x/{'b' * 112}.wav -1"
    (tmp_path / "list.txt").write_text(line)
    (only,) = read_list(tmp_path / "list.txt")
    assert len(only.name) == LONGEST
    write_audio(tmp_path / f"{only.name}.wav", np.ones(10), 8000)
    assert (tmp_path / f"{only.name}.wav").exists()


def test_what_would_be_written_as_silence_is_silent():
    tone = np.sin(2 * np.pi * 500 * np.arange(800) / 8000)
    with pytest.raises(ValueError, match="source 2 is silent in the 800 samples kept"):
        mix([tone, tone], [0.5, 0.5], [50, -50])
    mix([tone, tone], [0.5, 0.5], [40, -40])

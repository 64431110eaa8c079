import numpy as np
import pytest
import soundfile

from spiking_tasnet.separation.audio.files import read_audio, read_mono, write_audio


@pytest.fixture
def noise():
    return np.random.default_rng(0).uniform(-1, 1, (2, 500)).astype(np.float32)


def test_16_bits_are_rounded_to_the_nearest_level_and_come_back_unchanged(tmp_path, noise):
    write_audio(tmp_path / "a.wav", noise, 8000)
    once, rate = read_audio(tmp_path / "a.wav")
    assert rate == 8000 and once.shape == noise.shape
    assert np.abs(once - noise).max() <= 0.5 / 32768 + 1e-7
    write_audio(tmp_path / "b.wav", once, 8000)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_float_is_exact_beyond_full_scale(tmp_path, noise):
    write_audio(tmp_path / "a.wav", 3 * noise[0], 8000, subtype="FLOAT")
    np.testing.assert_array_equal(read_mono(tmp_path / "a.wav")[0], 3 * noise[0])


def test_24_bits_and_flac_are_read(tmp_path, noise):
    soundfile.write(tmp_path / "a.wav", noise.T, 44100, subtype="PCM_24")
    soundfile.write(tmp_path / "a.flac", noise.T, 44100, subtype="PCM_24")
    for name in ("a.wav", "a.flac"):
        samples, rate = read_audio(tmp_path / name)
        assert rate == 44100
        np.testing.assert_allclose(samples, noise, atol=2**-22)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_is_neither_written_nor_read(tmp_path, noise, bad):
    noise[0, 3] = bad
    with pytest.raises(ValueError, match="NaN or infinite samples"):
        write_audio(tmp_path / "a.wav", noise, 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "b.wav", noise.T, 8000, subtype="FLOAT")
    with pytest.raises(ValueError, match="b.wav: NaN or infinite samples found"):
        read_audio(tmp_path / "b.wav")


def test_nothing_is_clipped_and_an_older_file_survives(tmp_path, noise):
    write_audio(tmp_path / "a.wav", noise, 8000)
    before = (tmp_path / "a.wav").read_bytes()
    with pytest.raises(ValueError, match="a peak of"):
        write_audio(tmp_path / "a.wav", 1.01 * noise / np.abs(noise).max(), 8000)
    assert (tmp_path / "a.wav").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_mistakes_name_the_file(tmp_path, noise):
    with pytest.raises(FileNotFoundError, match="absent.wav: no such file"):
        read_audio(tmp_path / "absent.wav")
    (tmp_path / "text.wav").write_text("not a sound")
    with pytest.raises(ValueError, match="text.wav: cannot be read as audio"):
        read_audio(tmp_path / "text.wav")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 8000)
    with pytest.raises(ValueError, match="empty.wav: no samples found"):
        read_audio(tmp_path / "empty.wav")
    write_audio(tmp_path / "stereo.wav", noise, 16000)
    with pytest.raises(ValueError, match="stereo.wav: 16000 Hz found, 8000 Hz expected"):
        read_audio(tmp_path / "stereo.wav", 8000)
    with pytest.raises(ValueError, match="stereo.wav: 2 channels found, 1 expected"):
        read_mono(tmp_path / "stereo.wav")

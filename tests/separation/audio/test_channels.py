"""Which channel is separated: the mean, unless it loses what the strongest channel holds."""

import numpy as np
import pytest
import soundfile
from tiny_experiment import speech_like

from spiking_tasnet.separation.audio import channels
from spiking_tasnet.separation.audio.channels import ChannelMeter
from spiking_tasnet.separation.audio.recording import Recording

RATE = 16000


def talk(seed, seconds=6.0):
    """Speech-like noise whose pauses are its own."""
    rng = np.random.default_rng(seed)
    sound = speech_like(rng, seconds, RATE)
    words = np.repeat(rng.random(int(seconds / 0.2) + 1) < 0.6, RATE // 5)[: len(sound)]
    return sound * words


def later(sound, seconds):
    """The sound delayed by any time."""
    spectrum = np.fft.rfft(sound, 2 * len(sound))
    turned = spectrum * np.exp(-2j * np.pi * np.fft.rfftfreq(2 * len(sound), 1 / RATE) * seconds)
    return np.fft.irfft(turned)[: len(sound)]


def hiss(sound, decibels, seed=99):
    """The sound with noise so far below full scale."""
    return sound + 10 ** (decibels / 20) * np.random.default_rng(seed).standard_normal(len(sound))


@pytest.fixture
def opened(tmp_path):
    def open_channels(*inputs, channel="auto"):
        soundfile.write(tmp_path / "a.wav", np.stack(inputs, axis=1), RATE, subtype="FLOAT")
        return Recording.open(tmp_path / "a.wav", channel)

    return open_channels


def signal(recording):
    return np.concatenate(list(recording.blocks(1 << 16)))


def test_one_channel_is_itself(opened):
    recording = opened(talk(0))
    assert (recording.channel, recording.n_chan, recording.warnings) == ("1", 1, [])


def test_copies_are_averaged_without_a_word(opened):
    recording = opened(talk(0), talk(0))
    assert (recording.channel, recording.warnings) == ("mean", [])
    np.testing.assert_allclose(signal(recording), talk(0), atol=1e-6)


@pytest.mark.parametrize("gain", [-1.0, -0.7])
@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_a_crossed_wire_is_not_averaged(opened, gain, offset):
    mixture = talk(0) + talk(1)
    recording = opened(mixture + offset, gain * mixture + offset)
    assert recording.channel == "1" and not recording.silent
    np.testing.assert_allclose(signal(recording), mixture + offset, atol=1e-6)
    (warning,) = recording.warnings
    assert "channel 1, the strongest, is used" in warning and "--channel" in warning


@pytest.mark.parametrize("milliseconds", [0.5, 1, 3, 11])
def test_microphones_apart_are_not_averaged(opened, milliseconds):
    mixture = talk(0) + 0.7 * talk(1)
    recording = opened(hiss(mixture, -60, 5), 0.9 * hiss(later(mixture, milliseconds / 1000), -60, 6))
    assert recording.channel == "1" and "the strongest" in recording.warnings[0]


def test_each_talker_at_a_delay_of_their_own_is_not_averaged(opened):
    one, two = talk(0), talk(1)
    recording = opened(hiss(one + two, -60), hiss(0.95 * later(one, 0.004) + 0.9 * later(two, -0.003), -60, 6))
    assert recording.channel == "1"


@pytest.mark.parametrize("quieter, crosstalk", [(1.0, 0.0), (1.0, -0.25), (0.3, 0.1), (0.3, -0.25), (0.1, 0.05)])
def test_a_talker_on_each_side_are_both_kept(opened, quieter, crosstalk):
    left, right = talk(0), quieter * talk(1)
    recording = opened(left + crosstalk * right, right + crosstalk * left)
    assert (recording.channel, recording.warnings) == ("mean", [])


def test_talkers_who_take_turns_are_both_kept(opened):
    left, right = talk(0), talk(1)
    left[len(left) // 2 :] = 0
    right[: len(right) // 2] = 0
    assert opened(left, right).channel == "mean"


def test_one_who_says_a_single_sentence_is_kept(opened):
    left, right = talk(0, 20.0), talk(1, 20.0)
    right[2 * RATE :] = 0
    assert opened(left + 0.05 * right, right + 0.05 * left).channel == "mean"


def test_unrelated_steady_sounds_are_both_kept(opened):
    rng = np.random.default_rng(0)
    assert opened(*0.1 * rng.standard_normal((2, 4 * RATE))).channel == "mean"


def test_one_live_channel_of_eight(opened):
    silence = np.zeros(6 * RATE)
    inputs = [hiss(silence, -70, seed) for seed in range(8)]
    inputs[4] = talk(0)
    recording = opened(*inputs)
    assert recording.channel == "5" and recording.warnings == ["only channel 5 of 8 carries sound; it is used"]
    np.testing.assert_allclose(signal(recording), talk(0), atol=1e-6)


def test_idle_channels_have_no_part_in_the_mean(opened):
    silence = np.zeros(6 * RATE)
    recording = opened(talk(0), silence, talk(1), hiss(silence, -75))
    assert recording.channel == "mean"
    assert recording.warnings == ["channels without sound are left out of the mean: 2, 4 of 4"]
    np.testing.assert_allclose(signal(recording), (talk(0) + talk(1)) / 2, atol=1e-6)


def test_a_channel_can_be_named(opened):
    inputs = [talk(0), 2 * talk(1), 0.5 * talk(2)]
    for wanted, expected in (("1", inputs[0]), ("3", inputs[2]), ("strongest", inputs[1])):
        recording = opened(*inputs, channel=wanted)
        np.testing.assert_allclose(signal(recording), expected, atol=1e-6)
        assert recording.warnings == []
    assert opened(*inputs, channel="strongest").channel == "2"
    assert opened(talk(0), -talk(0), channel="mean").silent
    assert opened(talk(0), channel="mean").channel == "1"


@pytest.mark.parametrize("wanted", ["3", "0", "-1", "left", "", "1.5", "²"])
def test_a_channel_that_is_not_there(opened, wanted):
    with pytest.raises(ValueError, match=r"a.wav: --channel .* asked for, 2 found; a number from 1 to 2") as caught:
        opened(talk(0), talk(1), channel=wanted)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("n_samples", [1, 2, 100])
def test_very_short_files(opened, n_samples):
    noise = np.random.default_rng(0).standard_normal((2, n_samples))
    recording = opened(*noise)
    np.testing.assert_allclose(signal(recording), noise.mean(axis=0), atol=1e-6)
    assert not opened(noise[0] + 1, 2 - noise[0]).silent or n_samples == 1


def test_silence_has_no_favourite(opened):
    recording = opened(np.zeros(RATE), np.full(RATE, 0.25))
    assert recording.silent and recording.channel == "mean" and recording.warnings == []


def test_blocks_and_their_sizes_do_not_matter():
    sound = np.stack([hiss(talk(0), -60), hiss(later(talk(0), 0.002), -60, 7)], axis=1).astype(np.float32)
    whole, parts = ChannelMeter(2, RATE), ChannelMeter(2, RATE)
    whole.add(sound)
    step = parts.frame * parts.factor * parts.window
    for start in range(0, len(sound), step):
        parts.add(sound[start : start + step])
    for name in ("correlation", "missing", "together", "loudest"):
        np.testing.assert_allclose(getattr(whole, name), getattr(parts, name), rtol=1e-4, atol=1e-6)


def test_memory_of_the_measure_is_bounded(monkeypatch):
    monkeypatch.setattr(channels, "KEPT", 1 << 10)
    meter, rng = ChannelMeter(2, 1000), np.random.default_rng(0)
    for _ in range(20):
        meter.add(rng.standard_normal((meter.block // 8, 2)).astype(np.float32))
    assert meter._frames.size <= 1 << 10 < meter._n_frames
    assert abs(meter.correlation) < 0.05 and abs(meter.together) < 0.3
    for n_chan, rate in ((1024, 1_000_000), (1, 1_000_000), (1024, 1000), (8, 48000)):
        assert 0 < ChannelMeter(n_chan, rate).block * n_chan <= 1 << 20

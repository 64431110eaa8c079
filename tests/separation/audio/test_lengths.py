"""Files are as long as they are, not as their headers say: cut, unfinished, piped, joined, damaged."""

import os
import threading

import numpy as np
import pytest
import soundfile
from sound_bytes import KINDS, RATE, edited, mp3_frames, set_flac_samples, set_size, sound, write_kind
from tiny_corpus import write_corpus

from spiking_tasnet.cli.main import main
from spiking_tasnet.separation.audio.files import audio_seconds, read_audio
from spiking_tasnet.separation.audio.quiet import quiet
from spiking_tasnet.separation.audio.recording import Recording

OPEN_ENDED = ("wav", "w64", "rf64", "aiff", "au", "caf")
CUT = ("wav", "w64", "rf64", "aiff", "au", "caf", "sph", "svx", "flac", "mp3")


def signal(path):
    recording = Recording.open(path)
    found = np.concatenate(list(recording.blocks(5000)))
    assert len(found) == recording.n_samples
    return found, recording.warnings


@pytest.mark.parametrize("suffix", KINDS)
def test_whole_files_are_read_without_a_word(tmp_path, suffix):
    if suffix == "opus":
        soundfile.write(tmp_path / "a.opus", np.repeat(sound(), 3), 48000, format="OGG", subtype="OPUS")
        path = tmp_path / "a.opus"
    else:
        path = write_kind(tmp_path, suffix)
    found, warnings = signal(path)
    strict, rate = read_audio(path)
    assert warnings == [] and len(found) == len(soundfile.read(path)[0])
    np.testing.assert_array_equal(found, strict[0])
    assert audio_seconds(path) == pytest.approx(len(found) / rate)


def test_blocks_of_mp3_are_what_is_read_at_once(tmp_path):
    path = write_kind(tmp_path, "mp3", 5.0)
    np.testing.assert_allclose(signal(path)[0], soundfile.read(path)[0], atol=1e-6)


@pytest.mark.parametrize("suffix", CUT)
def test_a_cut_file_is_a_warning_and_an_error_in_a_corpus(tmp_path, suffix):
    path = write_kind(tmp_path, suffix)
    whole, data = signal(path)[0], path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    found, (warning,) = signal(path)
    assert 0.5 * RATE < len(found) < 1.35 * RATE
    np.testing.assert_allclose(found[:8000], whole[:8000], atol=1e-6)
    expected = "2.0[0-9] s" if suffix == "mp3" else "2.00 s"
    assert f"{len(found)} samples found" in warning
    with pytest.raises(ValueError, match=rf"a.{suffix}: {len(found)} samples found, .*of {expected}.*; copy it again$"):
        read_audio(path)


@pytest.mark.parametrize("kind", ["VORBIS", "OPUS"])
def test_a_cut_ogg_file_has_no_length_in_its_header_but_half_a_page(tmp_path, kind):
    path, rate = tmp_path / "a.ogg", 48000
    soundfile.write(path, np.resize(sound(10.0), 20 * rate), rate, format="OGG", subtype=kind)
    assert signal(path)[1] == []
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    found, (warning,) = signal(path)
    assert 5 * rate < len(found) < 15 * rate and f"{len(found) / rate:.2f} s found" in warning and "cut" in warning
    with pytest.raises(ValueError, match="a.ogg: .* s found, and the file ends within a page"):
        read_audio(path)


@pytest.mark.parametrize("size", [0, -1])
@pytest.mark.parametrize("suffix", OPEN_ENDED)
def test_an_unfinished_header_is_read_to_the_end(tmp_path, suffix, size):
    path = write_kind(tmp_path, suffix)
    whole = signal(path)[0]
    found, (warning,) = signal(set_size(path, size))
    np.testing.assert_array_equal(found, whole)
    assert "unfinished" in warning and "2.00 s" in warning
    np.testing.assert_array_equal(read_audio(path)[0][0], whole)
    assert audio_seconds(path) == 2.0


@pytest.mark.parametrize("size", [0x7FFFF000, 0x7FFFFFFF, 0x80000000])
def test_lengths_that_programs_write_into_pipes(tmp_path, size):
    path = set_size(write_kind(tmp_path, "wav"), size)
    assert "unfinished" in signal(path)[1][0] and read_audio(path)[0].shape == (1, 2 * RATE)


@pytest.mark.parametrize("riff", [0, 36, 0xFFFFFFFF])
def test_a_recorder_that_never_closed_its_file(tmp_path, riff):
    path = edited(set_size(write_kind(tmp_path, "wav"), 0), 4, riff.to_bytes(4, "little"))
    found, warnings = signal(path)
    assert len(found) == 2 * RATE and len(warnings) == 1


def test_an_empty_wav_file_with_chunks_behind_is_empty(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(0), RATE)
    path.write_bytes(path.read_bytes() + b"LIST\x04\x00\x00\x00INFO")
    with pytest.raises(ValueError, match="a.wav: no samples found"):
        Recording.open(path)


def test_sound_that_the_header_does_not_count_is_told(tmp_path):
    path = set_size(write_kind(tmp_path, "wav"), RATE)
    found, (warning,) = signal(path)
    assert len(found) == RATE // 2
    assert "0.50 s" in warning and "1.50 s" in warning and f"ffmpeg -ignore_length 1 -i '{path}'" in warning


@pytest.mark.parametrize("tail", [b"LIST\x04\x00\x00\x00INFO", b"id3 \x02\x00\x00\x00xx", b"TAG" + bytes(125), b"\0"])
def test_what_is_no_sound_behind_it_needs_no_word(tmp_path, tail):
    path = write_kind(tmp_path, "wav")
    path.write_bytes(path.read_bytes() + tail)
    assert signal(path)[1] == [] and read_audio(path)[0].shape == (1, 2 * RATE)


def test_the_size_of_the_file_for_that_of_the_sound_is_a_known_mistake(tmp_path):
    path = write_kind(tmp_path, "wav")
    for size in (path.stat().st_size, path.stat().st_size - 8):
        assert signal(set_size(path, size))[1] == [] and read_audio(path)[0].shape == (1, 2 * RATE)
    with pytest.raises(ValueError, match="32000 samples found, 32020 expected by its header"):
        read_audio(set_size(path, 2 * 32020))


def test_flac_of_unknown_length_and_of_an_absurd_one(tmp_path):
    path = write_kind(tmp_path, "flac")
    found, (warning,) = signal(set_flac_samples(path, 0))
    assert len(found) == 2 * RATE and "unfinished" in warning and audio_seconds(path) == 2.0
    assert read_audio(path)[0].shape == (1, 2 * RATE)
    found, (warning,) = signal(set_flac_samples(path, 2**36 - 1))
    assert len(found) == 2 * RATE and "32000 samples found, 68719476735 expected" in warning
    with pytest.raises(ValueError, match="a.flac: 32000 samples found, 68719476735 expected"):
        read_audio(path)


def test_damaged_flac_is_read_up_to_the_damage_to_the_last_sample(tmp_path):
    path = write_kind(tmp_path, "flac", 10.0)
    whole, data = signal(path)[0], path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(300) + data[len(data) // 2 + 300 :])
    found, (warning,) = signal(path)
    assert 3 * RATE < len(found) < 6 * RATE
    np.testing.assert_array_equal(found, whole[: len(found)])
    assert "cannot be decoded further" in warning and "ffmpeg -i" in warning
    path.write_bytes(data + b"TAG" + bytes(125))
    assert signal(path)[1] == []


def variable_mp3(folder):
    """Ten seconds of variable bit rate, most of it at the start."""
    samples = sound(10.0)
    samples[5 * RATE :] *= 1e-4
    path = folder / "v.mp3"
    soundfile.write(path, samples, RATE, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="VARIABLE")
    return path


def test_mp3_of_variable_bit_rate_without_a_count_is_read_to_its_end(tmp_path):
    path = variable_mp3(tmp_path)
    whole, frames = signal(path)[0], mp3_frames(path.read_bytes())
    path.write_bytes(b"".join(frames[1:]))
    assert len(soundfile.read(path)[0]) < 0.8 * len(whole), "libsndfile alone loses the rest"
    found, warnings = signal(path)
    assert abs(len(found) - len(whole)) < 2000 and warnings == []
    assert audio_seconds(path) == len(found) / RATE
    shift = int(np.argmax(np.correlate(found[: 2 * RATE], whole[2000 : 2 * RATE - 2000]))) - 2000
    np.testing.assert_allclose(found[2000 + shift : 2 * RATE], whole[2000 : 2 * RATE - shift], atol=1e-3)


def test_mp3_whose_start_was_cut_off_or_whose_middle_is_missing(tmp_path):
    path = variable_mp3(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[len(data) // 3 :])
    assert signal(path)[0].shape[0] > 5 * RATE
    path.write_bytes(data[: len(data) // 4] + b"rubbish" * 300 + data[len(data) // 4 + 3000 :])
    found, (warning,) = signal(path)
    assert 9 * RATE < len(found) < 9.95 * RATE and "expected by its header" in warning


def test_joined_mp3_files_are_read_as_one(tmp_path):
    path = write_kind(tmp_path, "mp3")
    path.write_bytes(path.read_bytes() * 3)
    found, (warning,) = signal(path)
    assert 6 * RATE <= len(found) < 6.4 * RATE and "joined" in warning


@pytest.mark.parametrize("suffix", ["ogg", "flac"])
def test_chained_recordings(tmp_path, suffix):
    path = write_kind(tmp_path, suffix)
    whole = signal(path)[0]
    path.write_bytes(path.read_bytes() * 2)
    found, warnings = signal(path)
    if suffix == "flac":  # not in the format: what lies behind the sound is no part of it
        assert len(found) == len(whole)
        return
    np.testing.assert_array_equal(found, np.tile(whole, 2))
    assert "2 recordings are chained" in warnings[0] and audio_seconds(path) == 4.0


def test_a_chain_of_another_rate_ends_the_sound(tmp_path):
    path = write_kind(tmp_path, "ogg")
    soundfile.write(tmp_path / "b.ogg", sound(), 8000, format="OGG", subtype="VORBIS")
    path.write_bytes(path.read_bytes() + (tmp_path / "b.ogg").read_bytes())
    found, (warning,) = signal(path)
    assert len(found) == 2 * RATE and "another recording of 8000 Hz" in warning


def test_nothing_is_printed_about_damaged_files(tmp_path, capfd):
    path = write_kind(tmp_path, "mp3")
    data = path.read_bytes()
    path.write_bytes(data[:3000] + bytes(100) + data[3500:8000])
    signal(path)
    soundfile.read(path)
    printed = capfd.readouterr()
    assert "mpg123" in printed.err or "Xing" in printed.err, "soundfile alone does print"
    signal(path)
    assert capfd.readouterr() == ("", "")


def test_two_that_are_quiet_at_once_give_stderr_back(capfd):
    entered, leave = threading.Event(), threading.Event()

    def second():
        with quiet():
            entered.set()
            leave.wait(5)

    thread = threading.Thread(target=second)
    with quiet():
        thread.start()
        assert entered.wait(5)
        os.write(2, b"lost")
    os.write(2, b"lost too, while the second is quiet")
    leave.set()
    thread.join()
    os.write(2, b"there")
    assert capfd.readouterr().err == "there"


def test_stage_0_refuses_a_cut_utterance(tmp_path, capsys):
    root = write_corpus(tmp_path / "corpus", {"tr": 2, "cv": 1, "tt": 1})
    for path in (root / "tiny" / "tr").rglob("*.wav"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    options = ["--wsj0", root, "--mix-lists", root, "--data-dir", tmp_path / "data", "--jobs", "1"]
    assert main(["mix", *map(str, options)]) == 1
    (error,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert ".wav: " in error and "samples found" in error and "expected by its header" in error
    assert not (tmp_path / "data" / "tr" / "wav.scp").exists()

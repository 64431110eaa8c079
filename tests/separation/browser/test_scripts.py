"""The page's scripts, in Node, beside the Python that they repeat for a whole recording at once."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import soundfile
import soxr
import torch
from node import run_scripts
from tiny_runtime import converted, noise
from tiny_separator import TINY

from spiking_tasnet.runtime.stn import pack_separator, unpack_separator
from spiking_tasnet.separation.audio.channels import ChannelMeter
from spiking_tasnet.separation.browser.write import page_settings
from spiking_tasnet.separation.streaming.gains import GainControl, solve_gains
from spiking_tasnet.separation.streaming.level import LevelControl
from spiking_tasnet.separation.streaming.rumble import RumbleFilter
from spiking_tasnet.snn import Spikes
from spiking_tasnet.snn.energy import record_cost, total_cost

SETTINGS = page_settings(unpack_separator(pack_separator(converted())))


def in_node(names, code, folder, settings=SETTINGS, **arrays):
    """What `code` answers and the array that it leaves in `out`; `arrays` have their names in it, one row each."""
    paths = []
    for name, values in arrays.items():
        values.astype(np.float32).tofile(folder / f"{name}.f32")
        rows = 1 if values.ndim == 1 else len(values)
        paths.append(folder / f"{name}.f32")
        row = f"all_{name}.subarray(n * all_{name}.length / {rows}, (n + 1) * all_{name}.length / {rows})"
        every = f"Array.from({{length: {rows}}}, (_, n) => {row})"
        given = (
            f"const all_{name} = floats(argv[{len(paths)}]), {name} = {every if values.ndim > 1 else f'all_{name}'};\n"
        )
        code = given + code
    given = f"const settings = {json.dumps(settings)};\nlet out = new Float32Array(0);\n"
    code = f"{given}{code}\nfs.writeFileSync(argv[0], out);"
    answer = run_scripts([f"worker/{name}.js" for name in names], code, folder / "out.f32", *paths)
    return answer, np.fromfile(folder / "out.f32", np.float32)


def speech(n_samples, seed=0):
    """Noise in the rhythm of syllables, with an offset, a pause and a loud second (n_samples,)."""
    times = np.arange(n_samples) / 8000
    envelope = np.maximum(0.02, np.sin(2 * np.pi * 3 * times)) * np.where((times > 2) & (times < 2.6), 0, 1)
    envelope = envelope * np.where((times > 7) & (times < 8), 5, 1)
    return (noise(n_samples, seed) * envelope + 0.05).astype(np.float32)


@pytest.mark.parametrize("n_samples", [1, 500, 1600, 30_001])
def test_rumble_is_removed_as_in_python(n_samples, tmp_path):
    samples, filtered = speech(n_samples)[None], RumbleFilter(8000)
    expected = np.concatenate([filtered.push(samples), filtered.finish()], axis=1)[0]
    _, found = in_node(["levels"], "out = removeRumble(x, 8000, settings.rumble);", tmp_path, x=samples[0])
    assert np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize("n_samples", [1, 7999, 100_001])
def test_the_level_is_pythons(n_samples, tmp_path):
    samples, control = speech(n_samples), LevelControl(8000)
    expected = np.concatenate([control.push(samples[None]), control.finish()], axis=1)
    code = """
const {levelled, gains} = setLevel(x, 8000, settings.level);
out = Float32Array.from([...levelled, ...gains]);"""
    _, found = in_node(["levels"], code, tmp_path, x=samples)
    np.testing.assert_allclose(found.reshape(2, -1), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n_samples", [3000, 400_000], ids=["one block", "beyond the look-ahead"])
def test_talkers_are_fitted_as_in_python(n_samples, tmp_path):
    talkers = np.stack([speech(n_samples, seed) for seed in (1, 2)])
    talkers[0] *= np.linspace(1, 3, n_samples)
    mixture, level = talkers.sum(0), np.linspace(0.5, 2, n_samples).astype(np.float32)
    sources = (talkers * [[-4], [0.2]]).astype(np.float32)
    control = GainControl(8000, 2)
    expected = np.concatenate([control.push(np.stack([mixture, level, *sources])), control.finish()], axis=1)
    code = "fitTalkers(sources, mixture, level, 8000, settings.gains);\nout = all_sources;"
    _, found = in_node(["levels"], code, tmp_path, sources=sources, mixture=mixture, level=level)
    np.testing.assert_allclose(found.reshape(2, -1), expected[2:] / expected[1], rtol=2e-5, atol=2e-6)


def test_gains_are_pythons(tmp_path):
    random, cases = np.random.default_rng(0), []
    for n_src, seed in itertools.product((1, 2, 3, 8), range(8)):
        sources = random.standard_normal((n_src, 30)) + seed % 3 * random.standard_normal(30)
        sources[0] *= seed != 5  # silent
        mixture = random.standard_normal(n_src) @ sources + random.standard_normal(30) if seed != 6 else np.zeros(30)
        cases.append((sources @ sources.T, sources @ mixture))
    given = json.dumps([(gram.tolist(), cross.tolist()) for gram, cross in cases])
    answer, _ = in_node(["levels"], f"answer = {given}.map(([gram, cross]) => solveGains(gram, cross));", tmp_path)
    for (gram, cross), found in zip(cases, answer, strict=True):
        np.testing.assert_allclose(found, solve_gains(gram, cross), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("rate", "target"), [(44100, 8000), (8000, 44100), (48000, 8000), (16000, 8000), (11025, 16000)]
)
def test_resampling_keeps_what_both_rates_hold_and_its_time(rate, target, tmp_path):
    times, wanted = np.arange(rate) / rate, np.arange(target) / target
    edge = 0.85 * min(rate, target) / 2
    tones = [(0.3, 100), (0.2, 1234.5), (0.1, edge)]
    signal = sum(a * np.sin(2 * np.pi * f * times) for a, f in tones)
    if target < rate:
        signal += 0.5 * np.sin(2 * np.pi * (target / 2 * 1.05) * times)  # must not come back from above half the rate
    code = f"out = resample(x, {rate}, {target}, {target});"
    _, found = in_node(["resample"], code, tmp_path, x=signal)
    expected = sum(a * np.sin(2 * np.pi * f * wanted) for a, f in tones)
    inside = slice(target // 20, -target // 20)  # the signal begins and ends with a step
    assert np.abs(found - expected)[inside].max() < 1e-5
    assert np.abs(found - soxr.resample(signal, rate, target, quality="VHQ")[:target])[inside].max() < 1e-4


def test_equal_rates_change_nothing(tmp_path):
    samples = noise(1000)
    _, found = in_node(["resample"], "out = resample(x, 8000, 8000, 1000);", tmp_path, x=samples)
    assert np.array_equal(found, samples)


def recordings():
    """Name -> channels (n_chan, n_samples) at 16 kHz."""
    one, other = (np.convolve(speech(64_000, seed), np.ones(4) / 4, "same") for seed in (3, 4))
    other = np.roll(other, 3000)
    late = np.concatenate([np.zeros(40), one[:-40]])
    quiet = 1e-4 * noise(64_000, 5)
    return {
        "mono": one[None],
        "copies": np.stack([one, 0.7 * one]),
        "crossed": np.stack([one, -one]),
        "apart": np.stack([0.5 * one, late]),
        "talker a channel": np.stack([one, other]),
        "one silent": np.stack([quiet, one]),
        "two of three": np.stack([one, quiet, other]),
        "silence": np.zeros((2, 4000)),
        "short": np.stack([one, -0.1 * other])[:, :300],
    }


@pytest.mark.parametrize("name", recordings())
def test_the_channel_is_pythons(name, tmp_path):
    channels = recordings()[name].astype(np.float32)
    meter = ChannelMeter(len(channels), 16000)
    for start in range(0, channels.shape[1], meter.block):
        meter.add(channels.T[start : start + meter.block])
    choice = meter.choose("auto")
    code = "const {signal, reason} = pickChannel(x, 16000, settings.channels);\nout = signal;\nanswer = {reason};"
    answer, found = in_node(["channels"], code, tmp_path, x=channels)
    np.testing.assert_allclose(found, channels.T @ choice.weights, atol=1e-6)
    assert bool(answer["reason"]) == (choice.reason is not None)


@pytest.mark.parametrize("causal", [False, True])
@torch.no_grad()
def test_operations_and_energy_are_pythons(causal, tmp_path):
    config = dataclasses.replace(TINY, causal=causal, n_blocks=4, conv_kernel_size=5, hid_chan=12)
    network, samples = converted(config), torch.from_numpy(noise(401))[None]
    counts = []
    for layer in network.separator:
        layer.register_forward_hook(
            lambda module, inputs, output: (
                counts.append(output.counts[0].sum(0).tolist()) if isinstance(output, Spikes) else None
            )
        )
    with record_cost(network) as costs:
        network(samples)
    settings = page_settings(unpack_separator(pack_separator(network)))
    code = f"answer = countCost(settings.sizes, {json.dumps(counts)}, settings.energy);"
    found, _ = in_node(["cost"], code, tmp_path, settings=settings)
    expected = total_cost(costs, 1.0)
    names = {
        "annMacs": "ann_macs",
        "snnMacs": "snn_macs",
        "synops": "synops",
        "drivenMacs": "driven_macs",
        "updates": "neuron_updates",
        "annJoule": "ann_energy_j",
        "snnJoule": "snn_energy_j",
    }
    for name, python in names.items():
        assert found[name] == pytest.approx(expected["total"][python], rel=1e-12), name
    spikes = [layer["spikes_per_neuron"] for layer in expected["layers"] if layer["layer"].startswith("separator")]
    assert found["spikesPerNeuron"] == pytest.approx(spikes[:4])


def test_a_tone_lies_at_its_place_in_the_spectrogram(tmp_path):
    tone = np.where(np.arange(8000) < 4000, 0.1, 0.0) * np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    code = """
const picture = spectrogram(x, 8000, 0.5, settings.pictures);
answer = {width: picture.width, height: picture.height};
out = Float32Array.from(picture.shades);"""
    answer, shades = in_node(["pictures"], code, tmp_path, x=tone)
    shades = shades.reshape(answer["height"], answer["width"])
    half = answer["width"] // 2
    assert set(shades[:, 2 : half - 2].argmax(0)) == {answer["height"] - 1 - answer["height"] // 4}
    assert (
        shades[:, 2 : half - 2].max() == int(255 * (1 + 20 * np.log10(0.1 / (0.5 / 4)) / 70))
        and shades[:, half + 2 :].max() == 0
    )


def test_a_written_wav_is_read_by_others(tmp_path):
    samples = np.concatenate([noise(1000), [1.5, -1.5, 1.0, -1.0]]).astype(np.float32)
    samples.tofile(tmp_path / "x.f32")
    code = "fs.writeFileSync(argv[1], new Uint8Array(await wavOf(floats(argv[0]), 44100).arrayBuffer()));"
    run_scripts(["main/sound.js"], code, tmp_path / "x.f32", tmp_path / "x.wav")
    found, rate = soundfile.read(tmp_path / "x.wav")
    assert rate == 44100 and np.abs(found - np.clip(samples, -1, 32767 / 32768)).max() <= 0.5 / 32768


def test_samples_of_16_bits_are_what_others_read(tmp_path):
    """What Chromium makes of them becomes n / 32768 again; samples of more bits stay as they are."""
    whole = np.arange(-32768, 32768)
    (whole / np.where(whole > 0, 32767, 32768)).astype(np.float32).tofile(tmp_path / "in.f32")
    noise(1000).tofile(tmp_path / "noise.f32")
    code = """
const samples = floats(argv[0]);
answer = [isOf16Bits(samples), isOf16Bits(floats(argv[1]))];
evenOut(samples);
fs.writeFileSync(argv[2], samples);"""
    paths = [tmp_path / name for name in ("in.f32", "noise.f32", "out.f32")]
    assert run_scripts(["main/sound.js"], code, *paths) == [True, False]
    assert np.array_equal(np.fromfile(paths[2], np.float32) * 32768, whole)


@pytest.mark.parametrize(
    ("name", "options", "stated"),
    [
        ("a.wav", {}, 22050),
        ("a.wav", {"subtype": "FLOAT"}, 22050),
        ("a.wav", {"format": "WAVEX"}, 22050),
        ("a.flac", {}, 22050),
        ("a.ogg", {}, 0),
    ],
)
def test_the_rate_that_a_file_states_is_found(name, options, stated, tmp_path):
    soundfile.write(tmp_path / name, noise(3000), 22050, **options)
    code = "answer.rate = statedRate(new Uint8Array(fs.readFileSync(argv[0])).buffer);"
    assert run_scripts(["main/sound.js"], code, tmp_path / name)["rate"] == stated


@pytest.mark.parametrize(
    "contents", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE" + b"junk\xff\xff\xff\xff" * 5, b"fLaC" + bytes(40)]
)
def test_no_rate_is_found_in_what_is_no_sound(contents, tmp_path):
    (tmp_path / "a.wav").write_bytes(contents)
    code = "answer.rate = statedRate(new Uint8Array(fs.readFileSync(argv[0])).buffer);"
    assert run_scripts(["main/sound.js"], code, tmp_path / "a.wav")["rate"] == 0

"""The page in a browser, opened from disk: what it gives is what Python gives, and everybody can use it."""

import json
import re
import socket
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
from browser import browser  # noqa: F401  (a fixture)

from spiking_tasnet.cli.main import main
from spiking_tasnet.runtime.backend import runtime_fault
from spiking_tasnet.runtime.stn import write_stn
from spiking_tasnet.separation.network import load_model
from spiking_tasnet.separation.scores.metrics import si_sdr
from spiking_tasnet.separation.separator import Separator
from spiking_tasnet.separation.streaming.level import LevelControl
from spiking_tasnet.separation.streaming.rumble import RumbleFilter
from spiking_tasnet.snn import Constraints, convert
from spiking_tasnet.snn.energy import record_cost, total_cost

ROOT = Path(__file__).parents[3]
READERS = ROOT / "tests" / "fixtures" / "readers"
MIXTURE = READERS / "woman_and_man_mix.flac"
TAB, ENTER = "\ue004", "\ue007"  # keys, as the protocol names them


@pytest.fixture(scope="module")
def network():
    """The network that recipes/talkers starts from, converted without training to 8 bits and N_s = 8."""
    network = load_model(ROOT / "recipes" / "talkers" / "start.pt")
    clip = torch.from_numpy(soundfile.read(MIXTURE, dtype="float32")[0])[None]
    options = dict(num_steps=8, v_init=0.5, encoding="spread", channel_wise=True)
    convert(network, lambda: network(clip), constraints=Constraints(8, per_channel=True), **options)
    return network


@pytest.fixture(scope="module")
def page(network, tmp_path_factory):
    """Path of the page, made by the command."""
    folder = tmp_path_factory.mktemp("page")
    write_stn(folder / "sep.stn", network)
    command = ["page", folder / "sep.stn", "-o", folder / "demo.html", "--example", MIXTURE, "--title", "Two <voices>"]
    assert main(list(map(str, command))) == 0
    return folder / "demo.html"


@pytest.fixture
def opened(browser, page):  # noqa: F811
    browser.open(page)
    browser.wait("document.documentElement.dataset.state === 'ready'")
    return browser


def runtime(network):
    """The separator with its network in C, as in the page."""
    if fault := runtime_fault():
        pytest.skip(f"the C runtime is not there: {fault}")
    return Separator(network, backend="c")


def text(window, selector):
    return window.run("return document.querySelector(arguments[0]).textContent", selector)


def finished(window):
    """Wait for the end of a separation; its state."""
    state = "document.documentElement.dataset.state"
    return window.wait(f"['done', 'failed'].includes({state}) && {state}")


def give(window, path):
    """Give the page a file, and wait until it is separated."""
    window.keys("#file", str(path))
    assert finished(window) == "done", text(window, "#trouble")


def separated(window, path):
    """Give the page a file, and read the talkers that it lets one download: (n_src, n_samples), rate."""
    give(window, path)
    sources, rates = [], []
    for name in window.run("return [...document.querySelectorAll('a[download]')].map(link => link.download)"):
        (window.downloads / name).unlink(missing_ok=True)
        window.click(f'a[download="{name}"]')
        samples, rate = soundfile.read(window.downloaded(name))
        sources.append(samples)
        rates.append(rate)
    assert len(rates) == 2 and len(set(rates)) == 1
    return np.stack(sources), rates[0]


@pytest.mark.parametrize("name", ["woman_and_man_mix", "two_men_mix", "two_women_mix"])
def test_it_gives_pythons_samples(opened, network, name):
    samples, rate = soundfile.read(READERS / f"{name}.flac")
    expected = runtime(network).separate(samples, rate)
    found, found_rate = separated(opened, READERS / f"{name}.flac")
    assert found_rate == rate and found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-3
    assert np.abs(found - Separator(network).separate(samples, rate)).max() < 1e-3
    assert opened.log() == []


def test_a_file_that_is_given_before_the_network_is_there_is_not_lost(browser, page):  # noqa: F811
    for _ in range(3):
        browser.open(page)
        give(browser, MIXTURE)
        assert text(browser, "#status") == f"Separated {MIXTURE.name}."


def test_a_stereo_file_of_another_rate_is_separated(opened, network, tmp_path):
    parts = [soundfile.read(READERS / f"{name}_mix.flac")[0] for name in ("woman_and_man", "two_men", "two_women")]
    samples = soxr.resample(np.concatenate(parts), 8000, 44100, quality="VHQ")[:441_000]
    assert len(samples) == 441_000
    stereo = np.stack([samples, 0.8 * samples], axis=1) / np.abs(samples).max()
    soundfile.write(tmp_path / "ten seconds.wav", stereo, 44100)
    found, rate = separated(opened, tmp_path / "ten seconds.wav")
    assert (found.shape, rate) == ((2, 441_000), 44100)
    expected = runtime(network).separate(0.9 * stereo[:, 0], 44100)
    # The two resamplers end at half the model's rate in their own ways: of it, the spikes of quiet frames tell.
    assert all(si_sdr(one, other) > 15 for one, other in zip(found, expected, strict=True))
    assert re.match(r"10\.0 s at 44100 Hz, separated in [\d.]+ s", text(opened, "#summary"))


def test_crossed_channels_are_not_added_up(opened, network, tmp_path):
    samples, rate = soundfile.read(MIXTURE)
    soundfile.write(tmp_path / "crossed.wav", np.stack([-samples, samples], axis=1), rate, "FLOAT")
    found, _ = separated(opened, tmp_path / "crossed.wav")
    assert "channel 1, the strongest, is used" in text(opened, "#summary")
    assert np.abs(found - runtime(network).separate(-samples, rate)).max() < 1e-3


@torch.no_grad()
def test_operations_and_energy_are_pythons(opened, network):
    give(opened, MIXTURE)
    samples = soundfile.read(MIXTURE, dtype="float32")[0][None]
    rumble, level = RumbleFilter(8000), LevelControl(8000)
    still = np.concatenate([rumble.push(samples), rumble.finish()], axis=1)
    levelled = np.concatenate([level.push(still), level.finish()], axis=1)[:1]
    with record_cost(network) as costs:
        network(torch.from_numpy(levelled))
    expected, found = total_cost(costs, 1.0), json.loads(opened.run("return document.documentElement.dataset.cost"))
    assert found["annMacs"] == expected["total"]["ann_macs"] and found["snnMacs"] == expected["total"]["snn_macs"]
    assert found["synops"] == pytest.approx(expected["total"]["synops"], rel=1e-3)
    assert found["snnJoule"] == pytest.approx(expected["total"]["snn_energy_j"], rel=1e-3)
    seconds, cells = (
        samples.size / 8000,
        opened.run("return [...document.querySelectorAll('#cost td')].map(c => c.textContent)"),
    )
    energy = [float(cell.split(" mJ")[0]) / 1e3 for cell in cells[-2:]]
    assert energy == pytest.approx([found["annJoule"] / seconds, found["snnJoule"] / seconds], rel=0.01)


def test_the_raster_follows_the_sound(opened):
    give(opened, MIXTURE)
    look = """
const at = id => document.getElementById(id), canvas = at("raster"), audio = document.querySelectorAll("audio")[2];
await new Promise(done => {
  audio.addEventListener("seeked", () => setTimeout(done, 50));
  audio.currentTime = arguments[0];
});
const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height), colours = {};
let sum = 0;
new Uint32Array(data.buffer).forEach((pixel, n) => {
  colours[pixel] = (colours[pixel] || 0) + 1;
  sum = (31 * sum + pixel * n) % 1e9;
});
return {moment: at("moment").textContent, from: at("from").textContent, to: at("to").textContent, sum,
  colours: Object.values(colours), head: document.querySelectorAll(".head")[2].style.left};"""
    first, second = opened.run(look, 1.0), opened.run(look, 2.04)
    assert (first["moment"], second["moment"]) == ("1.00 s", "2.04 s") and first["sum"] != second["sum"]
    assert float(second["from"]) < 2.04 < float(second["to"].split()[0])
    assert second["head"] == "50%"
    silent, firing = sorted(second["colours"])[-1:-3:-1]
    rates = opened.run(
        "return [...document.querySelectorAll('#layers td:last-child')].map(c => parseFloat(c.textContent))"
    )
    assert len(rates) == 9 and firing / (silent + firing) == pytest.approx(sum(rates) / 900, rel=0.5)
    moved = opened.run("""
const audio = document.querySelectorAll("audio")[1], moment = document.getElementById("moment");
audio.currentTime = 0;
await audio.play();
const seen = new Set();
for (let n = 0; n < 200 && seen.size < 5; n++) {
  await new Promise(requestAnimationFrame);
  seen.add(moment.textContent);
}
audio.pause();
return seen.size;""")
    assert moved == 5


def test_a_recording_of_the_microphone_is_separated(opened):
    opened.click("#record")
    opened.wait("document.getElementById('record').textContent === 'Stop, 0:02'")
    assert opened.run("return document.getElementById('record').getAttribute('aria-pressed')") == "true"
    opened.click("#record")
    assert finished(opened) == "done", text(opened, "#trouble")
    assert text(opened, "#heading") == "recording" and " at 48000 Hz" in text(opened, "#summary")


def test_the_example_is_separated_by_keyboard_alone(opened):
    reached = []
    for _ in range(3):
        opened.press(TAB)
        reached.append(opened.run("return document.activeElement.id"))
    assert reached == ["file", "record", "try"]
    opened.press(ENTER)
    assert finished(opened) == "done"
    assert opened.run("return document.activeElement.id") == "heading"
    assert text(opened, "#heading") == MIXTURE.name and text(opened, "#status") == f"Separated {MIXTURE.name}."


def test_a_screen_reader_is_told_what_everything_is(opened):
    give(opened, MIXTURE)

    def told(selector):
        element = opened.element(selector)
        return tuple(opened.ask("GET", f"/element/{element}/computed{what}") for what in ("role", "label"))

    assert told("#file")[1] == "Choose a file"
    assert told("#record") == ("button", "Record")
    assert told("#status")[0] == "status" and told("h1") == ("heading", "Two <voices>")
    assert told("a[download]") == ("link", "Download talker 1, woman_and_man_mix_s1.wav")
    assert told("#raster")[1].startswith("Spikes of 32 neurons of each of 9 layers")
    unnamed = opened.run("""
return [...document.querySelectorAll("audio, canvas, progress")].filter(e => !e.getAttribute("aria-label")).length""")
    assert unnamed == 0


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(opened, width):
    opened.size(width, 900)
    give(opened, MIXTURE)
    opened.run("document.querySelector('details').open = true")
    inner, outer = opened.run("const page = document.documentElement; return [page.scrollWidth, page.clientWidth]")
    assert inner <= outer <= width


def test_what_is_no_sound_is_refused_and_the_next_file_separated(opened, tmp_path):
    (tmp_path / "notes.wav").write_bytes(b"no sound")
    opened.keys("#file", str(tmp_path / "notes.wav"))
    assert finished(opened) == "failed"
    assert text(opened, "#trouble").startswith("notes.wav: it holds no sound that this browser reads")
    give(opened, MIXTURE)
    assert opened.run("return document.getElementById('trouble').hidden")


def test_a_separation_is_cancelled(opened, tmp_path):
    soundfile.write(tmp_path / "long.wav", 0.1 * np.random.default_rng(0).standard_normal(8000 * 120), 8000)
    opened.keys("#file", str(tmp_path / "long.wav"))
    opened.wait("document.getElementById('progress').value > 0")
    opened.click("#cancel")
    opened.wait("document.documentElement.dataset.state === 'ready'")
    give(opened, MIXTURE)


def test_nothing_leaves_the_machine(opened):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        tries = """
const [address] = arguments, stopped = start => new Promise(done => start(done)).then(() => true);
return await Promise.all([
  fetch(address).then(() => false, () => true),
  stopped(done => Object.assign(new Image(), {onerror: done, src: address})),
  stopped(done => { new WebSocket(address.replace("http", "ws")).onerror = done; }),
]);"""
        assert opened.run(tries, address) == [True, True, True]
        with pytest.raises(TimeoutError):
            server.accept()
    assert any("Content Security Policy" in message for message in opened.log())


def test_a_damaged_model_is_told(browser, page, tmp_path):  # noqa: F811
    whole = page.read_text(encoding="utf-8")
    begin = whole.index('id="model">') + 2000
    (tmp_path / "damaged.html").write_text(whole[:begin] + "AAAA" + whole[begin + 4 :], encoding="utf-8")
    browser.open(tmp_path / "damaged.html")
    browser.wait("document.documentElement.dataset.state === 'failed'")
    assert "its checksum is wrong" in text(browser, "#trouble")


def test_a_recording_that_is_too_long_is_refused(opened, tmp_path):
    soundfile.write(tmp_path / "hour.wav", np.zeros(8000 * 601, np.int16), 8000)
    opened.keys("#file", str(tmp_path / "hour.wav"))
    assert finished(opened) == "failed"
    assert text(opened, "#trouble").startswith("hour.wav: it is longer than 10 minutes; cut it, or use")

"""The runtime as WebAssembly: the module in the package, and one that is built anew, give the C library's samples."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from node import run_scripts
from tiny_runtime import CASES, c_separator, converted, noise
from tiny_separator import TINY

from spiking_tasnet.runtime.stn import pack_separator
from spiking_tasnet.runtime.wasm import MODULE
from spiking_tasnet.separation.config import ModelConfig

BUILD = Path(__file__).parents[2] / "tools" / "build_wasm.py"
WIDE = ModelConfig(
    n_filters=20, bn_chan=40, hid_chan=33, conv_kernel_size=5, n_blocks=4, n_src=3, kernel_size=16, stride=5
)
LOAD = """
const module = await WebAssembly.compile(fs.readFileSync(argv[0]));
answer.imports = WebAssembly.Module.imports(module).length;
const separator = new Separator(await WebAssembly.instantiate(module), new Uint8Array(fs.readFileSync(argv[1])));
"""
SEPARATE = """
const mixture = floats(argv[2]), next = Array(separator.nLayers).fill(0), counts = next.map(() => 0);
let lost = 0;
const look = () => {
  for (let layer = 0; layer < next.length; layer++)
    for (; next[layer] < separator.frames(layer); next[layer]++) {
      const count = separator.count(layer, next[layer]), words = separator.wordsOf(layer, next[layer]);
      if (count < 0 || words < 0) lost++;
      else counts[layer] += count;
    }
};
const first = separator.separate(mixture.slice(0, 700), () => {});
const sources = separator.separate(mixture, look);
look();
Object.assign(answer, {lost, counts, first: first[0].length, frames: separator.frames(0),
  expected: separator.framesOf(mixture.length, 16), latency: separator.latency, memory: separator.memory});
const all = new Float32Array(sources.length * mixture.length);
sources.forEach((source, k) => all.set(source, k * mixture.length));
fs.writeFileSync(argv[3], all);
"""


def in_node(module, contents, samples, folder):
    (folder / "sep.stn").write_bytes(contents)
    samples.tofile(folder / "in.f32")
    paths = [module, folder / "sep.stn", folder / "in.f32", folder / "out.f32"]
    answer = run_scripts(["worker/separator.js"], LOAD + SEPARATE, *paths)
    return answer, np.fromfile(folder / "out.f32", np.float32).reshape(-1, len(samples))


def check(module, contents, folder, n_samples=3001):
    samples, separator = noise(n_samples), c_separator(contents)
    expected = np.concatenate([separator.push(samples), separator.finish()], axis=1)
    answer, sources = in_node(module, contents, samples, folder)
    assert np.abs(sources - expected).max() < 1e-6
    assert answer["counts"] == [separator.spikes(layer) for layer in range(separator.n_layers)]
    assert (answer["lost"], answer["imports"], answer["first"]) == (0, 0, 700)
    assert answer["frames"] == answer["expected"] == separator.frames(0)
    assert answer["latency"] == separator.latency and answer["memory"] < 1 << 20


@pytest.mark.parametrize("config", [TINY, WIDE], ids=["tiny", "wide"])
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_the_module_gives_the_librarys_samples_and_spikes(config, changes, tmp_path):
    check(MODULE, pack_separator(converted(config, **changes)), tmp_path)


@pytest.mark.parametrize("n_samples", [1, 16, 17, 300])
def test_as_many_samples_come_out_as_went_in(n_samples, tmp_path):
    samples = noise(n_samples)
    _, sources = in_node(MODULE, pack_separator(converted()), samples, tmp_path)
    assert sources.shape == (2, n_samples)


@pytest.mark.parametrize("damage", ["cut", "altered", "empty"])
def test_a_damaged_model_is_refused_in_a_sentence(damage, tmp_path):
    contents = pack_separator(converted())
    damaged = {"cut": contents[:-4], "altered": contents[:200] + b"\0\1\2\3" + contents[204:], "empty": b""}[damage]
    (tmp_path / "sep.stn").write_bytes(damaged)
    code = f"try {{ {LOAD} }} catch (error) {{ answer.told = error.message; }}"
    told = run_scripts(["worker/separator.js"], code, MODULE, tmp_path / "sep.stn")["told"]
    assert told.startswith("the model: it") and "; " in told


def test_the_c_library_counts_the_spikes_of_a_frame():
    separator = c_separator(pack_separator(converted()))
    separator.push(noise(300))
    for layer in range(separator.n_layers):
        words = separator.words(layer, 3)
        assert separator.count(layer, 3) == sum(bin(word & 0xFFFFFFFF).count("1") for word in words.tolist())
        assert separator.count(layer, separator.frames(layer)) is separator.count(layer, -1) is None
    assert separator.count(separator.n_layers, 0) is None


def test_it_is_built_again_from_its_sources(tmp_path):
    target = tmp_path / "separator.wasm"
    done = subprocess.run([sys.executable, BUILD, "-o", target], capture_output=True, text=True)
    if "not found; install clang and lld" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    check(target, pack_separator(converted(WIDE, **CASES["8 bits"])), tmp_path)
    assert subprocess.run([sys.executable, BUILD, "--check"]).returncode == 0, "the module in the package is an old one"
    target.write_bytes(target.read_bytes()[:-1] + b"?")
    assert subprocess.run([sys.executable, BUILD, "--check", "-o", target], capture_output=True).returncode == 1

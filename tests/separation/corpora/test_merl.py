"""The official WSJ0-2mix lists over a fabricated tree, against MERL's procedure written out independently."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import firwin, upfirdn
from tiny_experiment import speech_like
from voicebox_level import active_levels

from spiking_tasnet.separation.audio.files import write_audio
from spiking_tasnet.separation.corpora.kaldi import read_data_dir
from spiking_tasnet.separation.corpora.levels import MEASURE
from spiking_tasnet.separation.corpora.merl import MerlSpec, build_mixtures
from spiking_tasnet.separation.corpora.merl_lists import read_list

LISTS = Path(__file__).parents[4] / "shared" / "data" / "wsj0-lists"
LINES = {"tr": 20000, "cv": 5000, "tt": 3000}
TAKEN = 100  # lines of each list

pytestmark = pytest.mark.skipif(not LISTS.is_dir(), reason=f"needs the official lists in {LISTS.name}")


@pytest.mark.parametrize("subset", LINES)
def test_names_of_all_lines(subset):
    """The lists write gains with five digits, as Matlab's num2str does for the names; only zeros at the end go."""
    text = [line.split() for line in (LISTS / f"mix_2_spk_{subset}.txt").read_text().splitlines()]
    lines = read_list(LISTS / f"mix_2_spk_{subset}.txt")
    assert len(lines) == len(text) == LINES[subset]
    for line, (one, gain1, two, gain2) in zip(lines, text, strict=True):
        gains = [gain.rstrip("0").rstrip(".") if "." in gain else gain for gain in (gain1, gain2)]
        assert line.name == f"{Path(one).stem}_{gains[0]}_{Path(two).stem}_{gains[1]}"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A tree of 16 kHz files of half a second under the names of the first lines."""
    root = tmp_path_factory.mktemp("wsj0")
    rng = np.random.default_rng(0)
    for subset in LINES:
        for line in read_list(LISTS / f"mix_2_spk_{subset}.txt", TAKEN):
            for name in line.paths:
                if not (root / name).exists():
                    write_audio(root / name, speech_like(rng, rng.uniform(0.4, 0.6), 16000), 16000)
    return root


def matlab_half(samples):
    """Matlab's resample(x, 1, 2): a Kaiser window of beta 5 over 10 periods each way, delay taken out."""
    taps = firwin(41, 0.5, window=("kaiser", 5.0))
    return upfirdn(taps, samples, 1, 2)[10 : 10 + -(-len(samples) // 2)]


def merl(first, second, level1, level2, gain1, gain2, mode):
    one = first / np.sqrt(level1) * 10 ** (gain1 / 20)
    two = second / np.sqrt(level2) * 10 ** (gain2 / 20)
    if mode == "min":
        length = min(len(one), len(two))
        one, two = one[:length], two[:length]
    else:
        length = max(len(one), len(two))
        one, two = (np.concatenate([signal, np.zeros(length - len(signal))]) for signal in (one, two))
    both = one + two
    scale = 1 / np.max(np.abs(np.concatenate([both, one, two]))) * 0.9
    return scale * both, scale * one, scale * two


@pytest.mark.parametrize("published, mode", [(True, "min"), (False, "min"), (True, "max")])
def test_every_sample_within_one_step_of_16_bits(tree, tmp_path, published, mode):
    wanted = MerlSpec(tree, LISTS, tmp_path, LISTS if published else MEASURE, mode=mode, limit=TAKEN)
    build_mixtures(wanted, jobs=1)
    levels = {}
    if published:
        for path in LISTS.glob("activlev_*.txt"):
            levels |= {name: float(level) for name, level in (line.split() for line in path.read_text().splitlines())}
    else:
        paths = sorted(tree.rglob("*.wav"))
        measured = active_levels([matlab_half(soundfile.read(path)[0]) for path in paths], 8000)
        levels = {path.stem: level for path, level in zip(paths, measured, strict=True)}
    checked = 0
    for subset in LINES:
        made = {utterance.id: utterance for utterance in read_data_dir(tmp_path / subset)}
        for text in (LISTS / f"mix_2_spk_{subset}.txt").read_text().splitlines()[:TAKEN]:
            one, gain1, two, gain2 = text.split()
            signals = [matlab_half(soundfile.read(tree / name)[0]) for name in (one, two)]
            stems = [Path(name).stem for name in (one, two)]
            expected = merl(*signals, *(levels[stem] for stem in stems), float(gain1), float(gain2), mode)
            utterance = made[f"{stems[0]}_{float(gain1):.5g}_{stems[1]}_{float(gain2):.5g}"]
            for path, wanted in zip((utterance.mixture, *utterance.sources), expected, strict=True):
                found = soundfile.read(path, dtype="int16")[0]
                assert len(found) == len(wanted) and np.abs(found - 32768 * wanted).max() <= 1
                checked += 1
    assert checked == 3 * 3 * TAKEN

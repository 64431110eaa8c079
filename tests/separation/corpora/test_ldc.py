"""The corpus as the LDC delivers it: discs, letter case, SPHERE, compressed SPHERE."""

import io
import shutil
import stat
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_corpus import write_corpus

from spiking_tasnet.separation.audio.files import audio_seconds, read_audio, read_mono
from spiking_tasnet.separation.audio.sphere import is_sphere, read_header
from spiking_tasnet.separation.corpora.kaldi import read_data_dir
from spiking_tasnet.separation.corpora.locate import Corpus
from spiking_tasnet.separation.corpora.merl import MerlSpec, build_mixtures

ROOT = Path(__file__).parents[3]


@pytest.fixture
def samples():
    return np.random.default_rng(0).integers(-3000, 3000, 4000, dtype=np.int16)


def write_sphere(path, samples, rate=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, format="NIST", subtype="PCM_16")


def write_compressed(path, samples, rate=16000):
    """A header that says `shorten`; instead of compressed samples comes a WAV file, for the stand-in to print."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = f"sample_count -i {len(samples)}\nsample_rate -i {rate}\nchannel_count -i 1\n"
    header = f"NIST_1A\n   1024\n{fields}sample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n"
    wav = io.BytesIO()
    soundfile.write(wav, samples, rate, format="WAV", subtype="PCM_16")
    path.write_bytes(header.encode().ljust(1024, b" ") + wav.getvalue())


@pytest.fixture
def sph2pipe(tmp_path, monkeypatch):
    """Stands for sph2pipe: prints what follows the header."""
    program = tmp_path / "bin" / "sph2pipe"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\n[ "$1 $2" = "-f wav" ] && tail -c +1025 "$3"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("SPH2PIPE", str(program))
    return program


def test_plain_sphere(tmp_path, samples):
    write_sphere(tmp_path / "a.wv1", samples)
    assert is_sphere(tmp_path / "a.wv1")
    header = read_header(tmp_path / "a.wv1")
    assert header["sample_count"] == 4000 and header["sample_rate"] == 16000
    read, rate = read_mono(tmp_path / "a.wv1")
    np.testing.assert_array_equal(read * 32768, samples)
    assert rate == 16000 and audio_seconds(tmp_path / "a.wv1") == 0.25


def test_compressed_sphere(tmp_path, samples, sph2pipe):
    write_compressed(tmp_path / "a.wv1", samples)
    read, rate = read_audio(tmp_path / "a.wv1")
    np.testing.assert_array_equal(read[0] * 32768, samples)
    assert rate == 16000 and audio_seconds(tmp_path / "a.wv1") == 0.25


def test_compressed_sphere_without_the_program_says_how_to_get_it(tmp_path, samples, monkeypatch):
    monkeypatch.setenv("SPH2PIPE", "/nowhere/sph2pipe")
    write_compressed(tmp_path / "a.wv1", samples)
    with pytest.raises(ValueError, match="a.wv1: .*need sph2pipe; run tools/install_sph2pipe.sh"):
        read_mono(tmp_path / "a.wv1")


def test_damaged_sphere(tmp_path, samples, sph2pipe):
    write_compressed(tmp_path / "short.wv1", samples)
    text = (tmp_path / "short.wv1").read_bytes().replace(b"sample_count -i 4000", b"sample_count -i 4001")
    (tmp_path / "short.wv1").write_bytes(text)
    with pytest.raises(ValueError, match="4000 samples found, 4001 expected by its header"):
        read_mono(tmp_path / "short.wv1")
    (tmp_path / "cut.wv1").write_bytes(b"NIST_1A\n   1024\nsample_count -i many\nend_head\n")
    with pytest.raises(ValueError, match="damaged SPHERE header"):
        read_mono(tmp_path / "cut.wv1")
    sph2pipe.write_text("#!/bin/sh\necho broken >&2; exit 3\n")
    with pytest.raises(ValueError, match=r"sph2pipe failed \(broken\)"):
        read_mono(tmp_path / "short.wv1")


@pytest.mark.parametrize(
    "place",
    [
        "wsj0/si_tr_s/01t/01to030v.wav",
        "wsj0/si_tr_s/01t/01to030v.wv1",
        "11-2.1/wsj0/si_tr_s/01t/01to030v.wv1",
        "CD2/WSJ0/SI_TR_S/01T/01TO030V.WV1",
        "discs/11-2.1/wsj0/si_tr_s/01t/01to030v.flac",
    ],
)
def test_where_a_listed_file_is_found(tmp_path, place):
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).touch()
    assert Corpus(tmp_path).find("wsj0/si_tr_s/01t/01to030v.wav") == tmp_path / place


def test_the_far_microphone_is_never_taken_and_the_listed_name_comes_first(tmp_path):
    folder = tmp_path / "wsj0" / "si_tr_s" / "01t"
    folder.mkdir(parents=True)
    (folder / "01to030v.wv2").touch()
    assert Corpus(tmp_path).find("wsj0/si_tr_s/01t/01to030v.wav") is None
    (folder / "01to030v.wv1").touch()
    assert Corpus(tmp_path).find("wsj0/si_tr_s/01t/01to030v.wav").suffix == ".wv1"
    (folder / "01to030v.flac").touch()
    assert Corpus(tmp_path).find("wsj0/si_tr_s/01t/01to030v.wav").suffix == ".flac"
    (folder / "01to030v.wav").touch()
    assert Corpus(tmp_path).find("wsj0/si_tr_s/01t/01to030v.wav").suffix == ".wav"
    assert Corpus(tmp_path).find("wsj0/si_tr_s/01z/01to030v.wav") is None


def test_links_in_circles_are_walked_once(tmp_path):
    """Each folder holds links to all others: followed to the depth that Linux allows, they have 12^40 names."""
    folders = [tmp_path / "corpus" / f"disc{n}" for n in range(12)]
    for folder in folders:
        (folder / "si_tr_s").mkdir(parents=True)
    for folder in folders:
        for other in folders:
            (folder / "si_tr_s" / other.name).symlink_to(other)
    (folders[5] / "si_tr_s" / "01T").mkdir()
    (folders[5] / "si_tr_s" / "01T" / "01TO030V.WV1").touch()
    (folders[5] / "si_tr_s" / "01T" / "self").symlink_to("self")
    corpus = Corpus(tmp_path / "corpus")
    assert corpus.find("wsj0/si_tr_s/01t/01to030v.wav").name == "01TO030V.WV1"
    assert corpus.find("wsj0/si_tr_s/01t/01to030w.wav") is None


@pytest.mark.parametrize("real, link", [("a", "si_tr_s"), ("z", "si_tr_s")])
def test_a_linked_folder_counts_under_its_own_and_its_link_s_name(tmp_path, real, link):
    (tmp_path / "disc" / real / "01t").mkdir(parents=True)
    (tmp_path / "disc" / real / "01t" / "01to030v.wv1").touch()
    (tmp_path / "disc" / link).symlink_to(real)
    for folder in (real, link):
        found = Corpus(tmp_path).find(f"wsj0/{folder}/01t/01to030v.wav")
        assert found == tmp_path / "disc" / folder / "01t" / "01to030v.wv1"


def test_hidden_files_are_no_utterances(tmp_path):
    folder = tmp_path / "disc" / "si_tr_s" / "01t"
    (folder / ".cache" / "01t").mkdir(parents=True)
    for name in (".01to030v.wav", "._01to030v.wv1"):
        (folder / name).touch()
    assert Corpus(tmp_path).find("wsj0/si_tr_s/01t/01to030v.wav") is None
    assert Corpus(tmp_path).find("wsj0/si_tr_s/01t/._01to030v.wav") is None


def test_discs_give_the_mixtures_that_wav_files_give(tmp_path, sph2pipe):
    root = write_corpus(tmp_path / "wav", {"tr": 3, "cv": 1, "tt": 2})
    discs = tmp_path / "discs"
    for number, path in enumerate(sorted(root.rglob("*.wav"))):
        samples, rate = soundfile.read(path, dtype="int16")
        target = discs / f"11-{number % 3}.1" / str(path.relative_to(root).with_suffix(".wv1")).upper()
        (write_compressed if number % 2 else write_sphere)(target, samples, rate)
    shutil.copytree(root / "tiny" / "doc", discs / "11-1.1" / "tiny" / "doc")
    for corpus, data in ((root, "a"), (discs, "b")):
        build_mixtures(MerlSpec(corpus, root, tmp_path / data), jobs=1)
    for subset in ("tr", "cv", "tt"):
        for one, two in zip(*(read_data_dir(tmp_path / data / subset) for data in "ab"), strict=True):
            assert (one.id, one.genders) == (two.id, two.genders)
            for first, second in zip((one.mixture, *one.sources), (two.mixture, *two.sources), strict=True):
                assert first.read_bytes() == second.read_bytes()


def test_the_installer_checks_what_it_is_given(tmp_path):
    if shutil.which("bash") is None or shutil.which("sha256sum") is None:
        pytest.skip("needs bash and sha256sum")
    (tmp_path / "archive.tar.gz").write_bytes(b"something else")
    shutil.copy(ROOT / "tools" / "install_sph2pipe.sh", tmp_path)
    command = ["bash", str(tmp_path / "install_sph2pipe.sh"), str(tmp_path / "archive.tar.gz")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "sha256" in done.stderr and "expected; fetch it again" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive.tar.gz", "install_sph2pipe.sh"]

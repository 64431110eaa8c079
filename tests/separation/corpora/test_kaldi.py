import pytest

from spiking_tasnet.separation.corpora.kaldi import Utterance, read_data_dir, write_data_dir


def utterance(name, folder, genders=("M", "F"), talkers=("a1", "b2")):
    sources = tuple(folder / f"s{place}" / f"{name}.wav" for place in range(1, len(genders) + 1))
    return Utterance(name, folder / "mix" / f"{name}.wav", sources, talkers, genders)


def test_what_is_written_comes_back_sorted(tmp_path):
    some = [utterance(name, tmp_path / "with a space", genders) for name, genders in (("b", "FF"), ("a", "M?"))]
    some = [Utterance(u.id, u.mixture, u.sources, u.talkers, tuple(u.genders)) for u in some]
    write_data_dir(tmp_path / "tr", some)
    assert read_data_dir(tmp_path / "tr") == some[::-1]
    assert [u.group for u in read_data_dir(tmp_path / "tr")] == ["unknown", "same"]


def test_files_are_kaldis(tmp_path):
    write_data_dir(tmp_path / "tr", [utterance("u2", tmp_path), utterance("u1", tmp_path)])
    text = {path.name: path.read_text() for path in (tmp_path / "tr").iterdir()}
    assert text == {
        "wav.scp": "u1 ../mix/u1.wav\nu2 ../mix/u2.wav\n",
        "spk1.scp": "u1 ../s1/u1.wav\nu2 ../s1/u2.wav\n",
        "spk2.scp": "u1 ../s2/u1.wav\nu2 ../s2/u2.wav\n",
        "utt2spk": "u1 a1_b2\nu2 a1_b2\n",
        "spk2utt": "a1_b2 u1 u2\n",
        "utt2genders": "u1 M F\nu2 M F\n",
    }


def test_audio_elsewhere_is_named_absolutely(tmp_path):
    write_data_dir(tmp_path / "data" / "tr", [utterance("u", tmp_path / "corpus")])
    assert (tmp_path / "data" / "tr" / "wav.scp").read_text() == f"u {tmp_path}/corpus/mix/u.wav\n"
    assert read_data_dir(tmp_path / "data" / "tr") == [utterance("u", tmp_path / "corpus")]


def test_three_talkers(tmp_path):
    three = utterance("u", tmp_path, ("M", "M", "F"), ("a", "b", "c"))
    write_data_dir(tmp_path / "tr", [three])
    assert read_data_dir(tmp_path / "tr") == [three]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"name": "a b"}, "without spaces"),
        ({"name": "../u"}, "one without / and"),
        ({"talkers": ("a_1", "b")}, "talker 'a_1' found"),
        ({"genders": ("M", "X")}, "M, F or . expected"),
        ({"talkers": ("a",)}, "for each voice"),
    ],
)
def test_what_the_format_cannot_hold(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        write_data_dir(tmp_path / "tr", [utterance(**({"name": "u", "folder": tmp_path} | change))])
    assert not (tmp_path / "tr").exists()


def test_two_of_one_name(tmp_path):
    with pytest.raises(ValueError, match="two utterances named u"):
        write_data_dir(tmp_path, [utterance("u", tmp_path)] * 2)


def test_missing_folder_says_what_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="wav.scp: not found; stage 0"):
        read_data_dir(tmp_path / "tr")


def test_damaged_folders(tmp_path):
    write_data_dir(tmp_path, [utterance("u1", tmp_path), utterance("u2", tmp_path)])
    (tmp_path / "spk2.scp").write_text("u1 x\n")
    with pytest.raises(ValueError, match="name different utterances"):
        read_data_dir(tmp_path)
    (tmp_path / "wav.scp").write_text("u1\n")
    with pytest.raises(ValueError, match="line 1 is not"):
        read_data_dir(tmp_path)
    (tmp_path / "wav.scp").write_text("")
    with pytest.raises(ValueError, match="empty; run stage 0"):
        read_data_dir(tmp_path)


def test_a_folder_being_written_again_is_never_taken_for_whole(tmp_path, monkeypatch):
    from spiking_tasnet.separation.corpora import kaldi

    write_data_dir(tmp_path, [utterance("u", tmp_path)])
    monkeypatch.setattr(kaldi, "_write", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_data_dir(tmp_path, [utterance("v", tmp_path)])
    with pytest.raises(FileNotFoundError):
        read_data_dir(tmp_path)

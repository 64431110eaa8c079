"""Data folders of Kaldi and ESPnet, folders that were moved or copied, ids that must not become paths."""

import logging
import os
import shutil
from pathlib import Path

import pytest

from spiking_tasnet.separation.audio.pipes import Pipe
from spiking_tasnet.separation.corpora.kaldi import Utterance, read_data_dir, write_data_dir
from spiking_tasnet.separation.corpora.scp import check_id


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def folder_of(folder, **tables):
    """A data folder; a table's text with NAME in place of a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in tables.items():
        (folder / name.replace("_scp", ".scp")).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def minimal(folder, **others):
    tables = {"wav_scp": "u /a/m.wav\n", "spk1_scp": "u /a/1.wav\n", "spk2_scp": "u /a/2.wav\n"}
    return folder_of(folder, **(tables | others))


def test_talkers_and_genders_may_be_unknown(tmp_path):
    (found,) = read_data_dir(minimal(tmp_path))
    assert (found.genders, found.group) == (("?", "?"), "unknown")
    assert len(set(found.talkers)) == 2
    two = read_data_dir(folder_of(tmp_path, wav_scp="u /m\nv /m\n", spk1_scp="u /1\nv /1\n", spk2_scp="u /2\nv /2\n"))
    assert not set(two[0].talkers) & set(two[1].talkers)  # nobody is taken for another


@pytest.mark.parametrize(
    ("text", "talkers"),
    [
        ("u 01a_02b", ("01a", "02b")),
        ("u spk_1_spk_2", ("spk_1", "spk_2")),
        ("u a_b_c", ("u/1", "u/2")),
    ],
)
def test_talker_ids_with_underscores(tmp_path, text, talkers):
    assert read_data_dir(minimal(tmp_path, utt2spk=text))[0].talkers == talkers


def test_genders_in_words_and_foreign_ones(tmp_path):
    assert read_data_dir(minimal(tmp_path, utt2genders="u m female\n"))[0].genders == ("M", "F")
    for text in ("u =1+1 M", "u M"):
        with pytest.raises(ValueError, match=r"utt2genders: u: '.*' found, M, F or \? of each of 2 talkers expected"):
            read_data_dir(minimal(tmp_path, utt2genders=text))


@pytest.mark.parametrize(
    "text",
    [b"u /a/m 1.wav\r\nv /b.wav\r\n", b"u\t/a/m 1.wav\n\n  \nv  /b.wav  \n\n", b"\xef\xbb\xbfu /a/m 1.wav\nv /b.wav"],
)
def test_line_ends_tabs_blank_lines_and_marks(tmp_path, text):
    found = read_data_dir(folder_of(tmp_path, wav_scp=text), with_references=False)
    assert [(u.id, str(u.mixture), u.sources) for u in found] == [("u", "/a/m 1.wav", ()), ("v", "/b.wav", ())]


def test_bytes_of_another_encoding_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"wav.scp: byte 4 is not UTF-8"):
        read_data_dir(minimal(tmp_path, wav_scp=b"u /m\xfc.wav\n"))


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"segments": "u r 0 1\n"}, "a file `segments` found, one recording an utterance expected"),
        ({"wav_scp": "u /a/m.ark:17\n"}, r"u lies in an archive \(/a/m.ark:17\); one audio file"),
        ({"wav_scp": "u cat m.wav |\n"}, r"u is the output of a command \(cat m.wav \|\); .* --allow-pipes"),
        ({"spk2_scp": "v /a/2.wav\n"}, r"wav.scp and spk2.scp name different utterances \(1 and 1; u is in one only"),
        ({"utt2spk": "v a_b\n"}, "wav.scp and utt2spk name different"),
        ({"wav_scp": "../../x /a/m.wav\n"}, r"wav.scp: line 1: utterance id '\.\./\.\./x' found; one without /"),
    ],
)
def test_what_is_refused_is_one_line(tmp_path, tables, message):
    with pytest.raises(ValueError, match=message) as error:
        read_data_dir(minimal(tmp_path, **tables))
    assert "\n" not in str(error.value)


def test_commands_where_they_are_allowed(tmp_path):
    (found,) = read_data_dir(minimal(tmp_path, wav_scp="u cat m.wav |\n"), allow_pipes=True)
    assert found.mixture == Pipe("cat m.wav") and found.sources == (Path("/a/1.wav"), Path("/a/2.wav"))


@pytest.mark.parametrize("bad", ["../x", "/x", "a/b", "a\\b", "..", ".x", "-x", "a\0b", "a\x1bb", ""])
def test_ids_that_would_be_paths_or_options(bad):
    with pytest.raises(ValueError, match="utterance id .* found; one without"):
        check_id(bad)


@pytest.mark.parametrize("good", ["01aa010b_0.97482_209a010p_-0.97482", "a+b", "a..b", "=1+1", "@x", "ü", "a:b", "~x"])
def test_ids_of_kaldi(good):
    check_id(good)


def test_relative_paths_start_at_the_folder_then_here_then_above(tmp_path, monkeypatch):
    data = folder_of(tmp_path / "egs" / "dump" / "raw" / "tt", wav_scp="u data/m.wav\n")
    places = [data / "data/m.wav", tmp_path / "here/data/m.wav", tmp_path / "egs/data/m.wav"]
    touch(*places)
    monkeypatch.chdir(tmp_path / "here")
    for place in places:
        assert read_data_dir(data, with_references=False)[0].mixture == place
        place.unlink()
    assert read_data_dir(data, with_references=False)[0].mixture == data / "data/m.wav"  # as a message should name it


def test_a_folder_that_is_a_link(tmp_path):
    touch(tmp_path / "real/wav/m.wav")
    folder_of(tmp_path / "real/tt", wav_scp="u ../wav/m.wav\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/tt").symlink_to(tmp_path / "real/tt")
    assert read_data_dir(tmp_path / "other/tt", with_references=False)[0].mixture == tmp_path / "real/wav/m.wav"


def made(data):
    """A data folder of our own with its (empty) audio."""
    sources = tuple(data / f"wav8k/min/tt/s{place}/u.wav" for place in (1, 2))
    touch(data / "wav8k/min/tt/mix/u.wav", *sources)
    utterance = Utterance("u", data / "wav8k/min/tt/mix/u.wav", sources, ("a", "b"), ("M", "F"))
    write_data_dir(data / "tt", [utterance])
    return utterance


def files(utterance):
    return [utterance.mixture, *utterance.sources]


def with_absolute_paths(data):
    """What was written before paths were relative."""
    for scp in (data / "tt").glob("*.scp"):
        scp.write_text(f"u {os.path.normpath(data / 'tt' / scp.read_text().split()[1])}\n")


@pytest.mark.parametrize("absolute", [False, True])
def test_a_moved_folder_works(tmp_path, caplog, absolute):
    made(tmp_path / "old")
    if absolute:
        with_absolute_paths(tmp_path / "old")
    shutil.move(tmp_path / "old", tmp_path / "deeper" / "new")
    (found,) = read_data_dir(tmp_path / "deeper/new/tt")
    assert all(path.is_file() and path.is_relative_to(tmp_path / "deeper/new") for path in files(found))
    assert len(caplog.records) == absolute
    if absolute:
        text = caplog.messages[0]
        assert f"written for audio in {tmp_path}/old; the same files in {tmp_path}/deeper/new are read instead" in text


@pytest.mark.parametrize("absolute", [False, True])
def test_a_copy_reads_its_own_audio(tmp_path, caplog, absolute):
    made(tmp_path / "old")
    if absolute:
        with_absolute_paths(tmp_path / "old")
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    (found,) = read_data_dir(tmp_path / "new/tt")
    assert all(path.is_relative_to(tmp_path / "new") for path in files(found))
    assert len(caplog.records) == absolute


def test_half_a_copy_reads_the_original_and_says_so(tmp_path, caplog):
    touch(*(tmp_path / f"old/wav/mix/{name}.wav" for name in "uv"), tmp_path / "new/wav/mix/u.wav")
    text = f"u {tmp_path}/old/wav/mix/u.wav\nv {tmp_path}/old/wav/mix/v.wav\n"
    found = read_data_dir(folder_of(tmp_path / "new/tt", wav_scp=text), with_references=False)
    assert all(utterance.mixture.is_relative_to(tmp_path / "old") for utterance in found)
    assert "some of it lies in" in caplog.messages[0] and "complete that copy" in caplog.messages[0]


def test_audio_that_belongs_elsewhere_raises_no_warning(tmp_path, caplog):
    made(tmp_path / "old")
    with_absolute_paths(tmp_path / "old")
    (tmp_path / "linked").symlink_to(tmp_path / "old")
    touch(tmp_path / "corpus/u.wav")
    with caplog.at_level(logging.WARNING):
        read_data_dir(tmp_path / "old/tt")
        read_data_dir(tmp_path / "linked/tt")
        read_data_dir(folder_of(tmp_path / "d/tt", wav_scp=f"u {tmp_path}/corpus/u.wav\n"), with_references=False)
    assert not caplog.records

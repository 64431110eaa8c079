"""Counts of what lies on disk, MERL's lists by checksum, the tables of talkers, the script that fetches the lists."""

import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tiny_corpus import write_corpus

from spiking_tasnet.cli.main import main
from spiking_tasnet.separation.corpora import census
from spiking_tasnet.separation.corpora.census import is_merl_list, report_corpus, report_list
from spiking_tasnet.separation.corpora.genders import read_genders, read_table
from spiking_tasnet.separation.corpora.locate import Corpus
from spiking_tasnet.separation.corpora.merl import MerlSpec, build_mixtures
from spiking_tasnet.separation.corpora.merl_lists import read_list

ROOT = Path(__file__).parents[3]
LISTS = ROOT.parent / "shared" / "data" / "wsj0-lists"


@pytest.mark.skipif(not LISTS.is_dir(), reason="needs the official lists beside the project")
def test_the_official_lists_are_known_by_their_checksum(tmp_path):
    for name, (count, _) in census.MERL_LISTS.items():
        assert is_merl_list(LISTS / name) and len(read_list(LISTS / name)) == count
        dos = tmp_path / name
        dos.write_bytes(b"\xef\xbb\xbf" + (LISTS / name).read_bytes().replace(b"\n", b"\r\n").replace(b"/", b"\\"))
        assert is_merl_list(dos) and read_list(dos, 500) == read_list(LISTS / name, 500)
        dos.write_bytes(dos.read_bytes().replace(b"01", b"02", 1))
        assert not is_merl_list(dos)


def test_another_list_over_wsj0_is_warned_of_and_one_over_another_corpus_is_not(tmp_path, caplog):
    path = tmp_path / "mix_2_spk_tt.txt"
    for root, warned in (("wsj0", True), ("so762", False)):
        path.write_text(f"{root}/si_et_05/440/440a.wav 1.5 {root}/si_et_05/441/441a.wav -1.5\n")
        caplog.clear()
        report_list(path, read_list(path))
        assert [record.levelname for record in caplog.records] == (["WARNING"] if warned else [])
        assert not warned or "not MERL's list (3000 lines there)" in caplog.text


def test_files_and_hours_of_each_subset(tmp_path, caplog):
    root = write_corpus(tmp_path, {"tr": 1, "cv": 1, "tt": 1})
    for extra in ("01a0.wv2", "01a9.wv2", "notes.txt"):  # the far microphone does not count
        (root / "tiny" / "tr" / "01a" / extra).write_bytes(b"")
    (root / "tiny" / "tr" / "01a" / "01a0.flac").write_bytes(b"")  # the same utterance again
    with caplog.at_level(logging.INFO):
        report_corpus({"tiny/tr/01a/01a0.wav": root / "tiny/tr/01a/01a0.wav"})
    hours = 4 * (1.0 + 1.1 + 1.2) / 3600
    assert f"tr: 12 files on disk, {hours:.2f} h; the lists name 1" in caplog.text
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_what_systems_and_people_leave_in_a_corpus_stops_nothing(tmp_path, caplog):
    """Hidden files (AppleDouble, .DS_Store), the file system's own folder, broken files that no list names, a pipe."""
    root = write_corpus(tmp_path / "corpus", {"tr": 4, "cv": 1, "tt": 1})
    build_mixtures(MerlSpec(root, root, tmp_path / "clean"), jobs=1)
    talker = root / "tiny" / "tr" / "01a"
    (talker / "._01a0.wav").write_bytes(b"\0\5\x16\7 of another system")
    (talker / "empty.wav").touch()
    (talker / "huge.wav").write_bytes(b"RIFF\xff\xff\xff\x7fWAVE")
    (root / "tiny" / ".DS_Store").write_bytes(b"Bud1")
    (root / "tiny" / "tr" / ".01a").mkdir()
    (root / "tiny" / "tr" / ".01a" / "01a0.wav").touch()
    (root / "tiny" / "tr" / "lost+found").mkdir()
    (root / "tiny" / "tr" / "lost+found" / "#123.wav").touch()
    (root / "tiny" / "tr" / "notes.wav").touch()  # where talkers are expected
    (root / "tiny" / "tr" / "01b" / "folder.wav").mkdir()
    (root / "tiny" / "tr" / "01b" / "nowhere.wav").symlink_to("nowhere")
    (root / "tiny" / "doc" / "._spkrinfo.txt").write_text("01d M\n")
    os.mkfifo(talker / "pipe.wav")
    caplog.clear()
    with caplog.at_level(logging.INFO):
        build_mixtures(MerlSpec(root, root, tmp_path / "data"), jobs=1)
    assert "tr: 14 files on disk" in caplog.text
    assert "tr: 2 of 14 files cannot be read as audio, the first is " in caplog.text
    for subset in ("tr", "cv", "tt"):
        for name in ("utt2genders", "utt2spk"):
            assert (tmp_path / "data" / subset / name).read_text() == (tmp_path / "clean" / subset / name).read_text()


def test_folders_and_tables_that_cannot_be_read_are_passed_over(tmp_path, caplog, monkeypatch):
    root = write_corpus(tmp_path, {"tr": 1, "cv": 1, "tt": 1})
    scandir, read_bytes = os.scandir, Path.read_bytes

    def refusing(path):
        if Path(path).name == "01c":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    def unreadable(path):
        if path.name == "SPEAKERS.TXT":
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(os, "scandir", refusing)
    monkeypatch.setattr(Path, "read_bytes", unreadable)
    (root / "SPEAKERS.TXT").write_text("01d M\n")
    with caplog.at_level(logging.INFO):
        report_corpus({"tiny/tr/01a/01a0.wav": root / "tiny/tr/01a/01a0.wav"})
        assert "01d" not in read_genders(root) and "01a" in read_genders(root)
    assert "tr: 9 files on disk" in caplog.text
    assert "01c: cannot be read (Permission denied), passed over" in caplog.text
    assert "SPEAKERS.TXT: cannot be read (Permission denied), passed over" in caplog.text


def test_wsj0_that_differs_is_told(tmp_path, caplog):
    root = write_corpus(tmp_path, {"tr": 1, "cv": 1, "tt": 1})
    (root / "tiny" / "tr").rename(root / "tiny" / "si_tr_s")
    (root / "tiny").rename(root / "WSJ0")
    name = "wsj0/si_tr_s/01a/01a0.wav"
    report_corpus({name: Corpus(root).find(name)})
    assert "si_tr_s: 12 files found, 12776 expected in WSJ0 (LDC93S6A)" in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "; WSJ0\n01a M dialect 30\n02b F none 41\n",
        "ID   Sex  Age\n---  ---  ---\n01A    M    30\n02B    F    41\n",
        "01a\tMale\t30\n02b\tFemale\t41\n",
        "01a |M| train |25.0| Mary F Smith\n02b |F| train |25.0| M. Jones\n",
        "speaker,sex,age\n01a,m,30\n02b,f,41\n",
        "01A m\r\n02B f\r\n",
        "ID;Sex;Age\r\n01a;M;30\r\n02b;F;41\r\n",
        '"ID","Sex"\n"01a","M"\n"02b","F"\n',
        "01a M ; Mary F\n02b F ; M. Jones\n; 02b M\n",
    ],
)
def test_tables_of_talkers(tmp_path, text):
    (tmp_path / "table.txt").write_text(text, newline="")
    assert {name: gender for name, gender in read_table(tmp_path / "table.txt").items() if name in ("01a", "02b")} == {
        "01a": "M",
        "02b": "F",
    }


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_tables_of_other_systems(tmp_path, encoding):
    (tmp_path / "table.txt").write_text("01a M Élan\r\nid-10.b F Zoë\r\n", encoding=encoding, newline="")
    assert read_table(tmp_path / "table.txt") == {"01a": "M", "id-10.b": "F"}
    (tmp_path / "table.txt").write_bytes("01a M Élan\n".encode("latin-1"))
    assert read_table(tmp_path / "table.txt") == {"01a": "M"}


@pytest.mark.parametrize(
    "place",
    [
        "spkrinfo.txt",
        "11-13.1/wsj0/doc/SPKRINFO.TXT",
        "wsj0-train-spkrinfo.txt",
        "wsj0/doc/wsj0-eval-spkrinfo.txt",
        "SPEAKERS.TXT",
        "data/spk2gender",
    ],
)
def test_where_tables_are_found(tmp_path, place):
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("01a M\n")
    (tmp_path / "notes.txt").write_text("02b F\n")
    assert read_genders(tmp_path) == {"01a": "M"}


def test_talkers_of_unknown_sex_are_named_and_a_table_helps(tmp_path, caplog):
    root = write_corpus(tmp_path / "corpus", {"tr": 12, "cv": 2, "tt": 2})
    build_mixtures(MerlSpec(root, root, tmp_path / "data"), jobs=1)
    assert "the gender of 1 of " in caplog.text and "(01d)" in caplog.text and "--spkrinfo" in caplog.text
    (tmp_path / "more.txt").write_text("01d F\n")
    caplog.clear()
    build_mixtures(MerlSpec(root, root, tmp_path / "data", spkrinfo=tmp_path / "more.txt"), jobs=1)
    assert "the gender of" not in caplog.text
    assert "?" not in (tmp_path / "data/tr/utt2genders").read_text()


@pytest.mark.parametrize("text, message", [(None, "no such file"), ("nothing here\n", "no talker's gender found")])
def test_a_table_that_says_nothing(tmp_path, capsys, text, message):
    root = write_corpus(tmp_path / "corpus", {"tr": 1, "cv": 1, "tt": 1})
    if text:
        (tmp_path / "table").write_text(text)
    options = ["--wsj0", root, "--mix-lists", root, "--data-dir", tmp_path / "data", "--spkrinfo", tmp_path / "table"]
    assert main(["mix", *map(str, options)]) == 1
    assert message in capsys.readouterr().err and not (tmp_path / "data").exists()


@pytest.fixture
def fetch(tmp_path):
    """tools/fetch_mix_lists.sh in a project of its own, where an environment is at hand."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    shutil.copytree(ROOT / "tools", tmp_path / "project" / "tools", ignore=shutil.ignore_patterns("sph2pipe"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "project")  # tools/env.sh reads it
    (tmp_path / "project" / "recipes" / "wsj0-2mix").mkdir(parents=True)

    def run(*arguments):
        command = ["bash", str(tmp_path / "project" / "tools" / "fetch_mix_lists.sh"), *map(str, arguments)]
        environment = {"PATH": "/usr/bin:/bin", "SPIKING_TASNET_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    return run


def write_archive(path, **changed):
    with zipfile.ZipFile(path, "w") as archive:
        for name in census.MERL_LISTS:
            text = (LISTS / name).read_bytes().replace(b"\n", b"\r\n")
            archive.writestr(f"create-speaker-mixtures/{name}", changed.get(name[:-4], text))
    return path


@pytest.mark.skipif(not LISTS.is_dir(), reason="needs the official lists beside the project")
def test_fetched_lists_are_checked(tmp_path, fetch):
    lists = tmp_path / "project" / "recipes" / "wsj0-2mix" / "lists"
    done = fetch(write_archive(tmp_path / "other.zip", mix_2_spk_cv=b"a/b/c.wav 1 a/d/e.wav -1\n"))
    assert done.returncode == 1 and "are not those of WSJ0-2mix" in done.stderr and "mix_2_spk_cv.txt" in done.stderr
    assert not lists.exists()
    done = fetch(write_archive(tmp_path / "right.zip"))
    assert done.returncode == 0, done.stderr
    for name in census.MERL_LISTS:
        assert hashlib.sha256((lists / name).read_bytes()).hexdigest() == census.MERL_LISTS[name][1]
    assert sorted(path.name for path in lists.parent.iterdir()) == ["lists"]


def test_lists_are_taken_out_of_an_archive_whole_or_not_at_all(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("take_mix_lists", ROOT / "tools" / "take_mix_lists.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    texts = {name: f"a/b/c.wav 1 a/d/e.wav -1 {name}\n" for name in census.MERL_LISTS}
    monkeypatch.setattr(
        census, "MERL_LISTS", {name: (1, hashlib.sha256(text.encode()).hexdigest()) for name, text in texts.items()}
    )

    def archive(**changed):
        with zipfile.ZipFile(tmp_path / "lists.zip", "w") as stream:
            for name, text in {**texts, **changed}.items():
                if text is not None:
                    stream.writestr(f"create-speaker-mixtures/{name}", text.replace("\n", "\r\n"))
        return tmp_path / "lists.zip"

    (tmp_path / "recipe").mkdir()
    for changed, message in (
        ({"mix_2_spk_cv.txt": "x\n"}, "not those of .*mix_2_spk_cv"),
        ({"mix_2_spk_tr.txt": None}, "no mix"),
    ):
        with pytest.raises(ValueError, match=message):
            tool.take(archive(**changed), tmp_path / "recipe" / "lists")
        assert list((tmp_path / "recipe").iterdir()) == []
    tool.take(archive(), tmp_path / "recipe" / "lists")
    assert {path.name: path.read_text() for path in (tmp_path / "recipe" / "lists").iterdir()} == texts
    assert [path.name for path in (tmp_path / "recipe").iterdir()] == ["lists"]


def test_what_is_no_archive_is_refused(tmp_path, fetch):
    (tmp_path / "page.html").write_text("<html>moved</html>")
    done = fetch(tmp_path / "page.html")
    assert done.returncode == 1 and "not a zip archive" in done.stderr
    assert not list((tmp_path / "project" / "recipes" / "wsj0-2mix").iterdir())
    assert "no such file" in fetch(tmp_path / "absent.zip").stderr

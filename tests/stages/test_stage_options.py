"""Options of a recipe, read in this process; through run.sh they are in test_stages.py."""

from pathlib import Path

import pytest

from spiking_tasnet.stages.markers import has_something, remove
from spiking_tasnet.stages.options import COMMON, Option, existing_file, existing_folder, folder, parse, whole_number

OPTIONS = (
    *COMMON,
    Option("corpus", "DIR", "a folder", existing_folder),
    Option("extra", "DIR", "folders", existing_folder, repeated=True),
    Option("init", "FILE", "a file", existing_file, other="start"),
)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "model.pt").write_text("weights")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    return tmp_path


def test_values_have_the_types_of_their_options(place):
    words = "--stage=1 --stop_stage 010 --force --corpus ./corpus --start model.pt --set a=1 --set b=2"
    assert parse(OPTIONS, [*words.split(), "--extra", "corpus", "--data-dir", "x"]) == {
        "stage": 1,
        "stop-stage": 10,
        "force": True,
        "corpus": place / "corpus",
        "init": place / "model.pt",
        "set": ["a=1", "b=2"],
        "extra": [place / "corpus"],
        "data-dir": place / "x",
    }
    assert parse(OPTIONS, []) == {} and parse(OPTIONS, ["--name", "--stage"]) == {"name": "--stage"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--init", "corpus"], "--init 'corpus': no such file; check the path"),
        (["--corpus", "model.pt"], "--corpus 'model.pt': no such folder; check the path"),
        (["--stage", "-1"], "--stage '-1' found, a whole number expected"),
        (["--stage", "²"], "--stage '²' found, a whole number expected"),
        (["--stage", "9" * 5000], "a whole number expected"),
        (["--set", ""], "--set is empty; give it a value or leave it out"),
        (["--", "x"], "'--' found, an option expected; see --help"),
        (["-x"], "'-x' found, an option expected; see --help"),
        (["--extra"], "--extra needs a value: --extra DIR"),
    ],
)
def test_faults_are_named(words, message):
    with pytest.raises(ValueError) as error:
        parse(OPTIONS, words)
    assert str(error.value).endswith(message)


def test_paths_keep_the_names_of_links(place, monkeypatch):
    (place / "link").symlink_to(place / "corpus")
    monkeypatch.chdir(place / "link")
    monkeypatch.setenv("PWD", str(place / "link"))
    assert folder("x") == place / "link" / "x"
    monkeypatch.setenv("PWD", "/nowhere")  # of another program
    assert folder("x") == (place / "corpus").resolve() / "x"
    assert folder("/a/b") == Path("/a/b")


def test_a_switch_and_a_value_are_told_apart_in_help():
    assert str(Option("fast", "", "quick", None)) == f"  {'--fast':<22} quick"
    assert str(Option("limit", "N", "few", whole_number)).startswith("  --limit N ")


def test_what_is_there_and_what_force_removes(place):
    (place / "link").symlink_to(place / "corpus")
    assert not has_something(place / "corpus") and not has_something(place / "nothing")
    (place / "corpus" / "file").write_text("")
    assert has_something(place / "corpus") and not has_something(place / "corpus" / "file")
    remove(place / "link")
    assert (place / "corpus").is_dir() and not (place / "link").is_symlink()
    remove(place / "corpus")
    assert not (place / "corpus").exists()
    remove(place / "corpus")

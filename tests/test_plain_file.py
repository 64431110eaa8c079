"""Files of tensors that were cut, changed, compressed, or want to run code: each is told, none is run."""

import os
import pickle
import zipfile

import pytest
import torch

from spiking_tasnet.plain_file import read_plain


class Hostile:
    """Makes a file when it is loaded as a pickle."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def whole(tmp_path):
    path = tmp_path / "whole.pt"
    torch.save({"a": torch.arange(5000.0), "b": {"c": 1, "d": "text"}}, path)
    return path


def refusal(path):
    with pytest.raises(ValueError) as found:
        read_plain(path, "a model file", "fetch it again")
    told = str(found.value)
    assert told.startswith(f"{path}: not a model file of this toolkit: ") and "\n" not in told
    assert "weights_only" not in told and "torch." not in told
    return told


def test_what_is_whole_is_read(whole):
    found = read_plain(whole, "a model file", "")
    assert torch.equal(found["a"], torch.arange(5000.0)) and found["b"] == {"c": 1, "d": "text"}


@pytest.mark.parametrize("kept", [4, 0.1, 0.5, 0.99])
def test_a_file_cut_short(whole, kept):
    data = whole.read_bytes()
    whole.write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    assert refusal(whole).endswith("it is cut short; fetch it again")


def test_an_empty_file(whole):
    whole.write_bytes(b"")
    assert refusal(whole).endswith("it is empty; fetch it again")


def test_every_flipped_byte_in_the_tensors_is_found(whole):
    """torch itself loads such a file without a word."""
    data = whole.read_bytes()
    for place in range(len(data) // 4, 3 * len(data) // 4, 997):
        changed = bytearray(data)
        changed[place] ^= 1
        whole.write_bytes(changed)
        assert torch.load(whole, weights_only=True)["b"]["c"] == 1
        assert refusal(whole).endswith("it is damaged; fetch it again")


@pytest.mark.parametrize("protocol", [2, 4, 5, "archive", "module"])
def test_code_is_never_run_and_no_advice_to_run_it_is_given(protocol, tmp_path):
    path, fired = tmp_path / "hostile.pt", tmp_path / "fired"
    hostile = {"format": Hostile(fired)}
    if protocol == "archive":
        torch.save(hostile, path)
    elif protocol == "module":
        torch.save(torch.nn.Linear(2, 2), path)
    else:
        path.write_bytes(pickle.dumps(hostile, protocol))
    told = refusal(path)
    assert told.endswith("it wants to run code when loaded; get one from a source you trust")
    assert not fired.exists()


def test_files_of_other_kinds(tmp_path, whole):
    other = tmp_path / "other.pt"
    other.write_text("not a model")
    assert "it is of another kind" in refusal(other)
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "it is an archive of something else" in refusal(other)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    assert "it is compressed" in refusal(other)
    with pytest.raises(FileNotFoundError):
        read_plain(tmp_path / "none.pt", "a model file", "")
    with pytest.raises(OSError, match=str(tmp_path)):
        read_plain(tmp_path, "a model file", "")

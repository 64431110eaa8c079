import os
from pathlib import Path

from spiking_tasnet.separation.output_names import identities, output_paths, output_stems


def stems(*names):
    files = [Path(name) for name in names]
    found = output_stems(files)
    return [found[path] for path in files]


def test_names_are_kept_where_they_differ():
    assert stems("a/mix.wav", "b/other.flac", "c/Third.v2.wav") == ["mix", "other", "Third.v2"]
    assert output_paths(Path("out"), "mix", 2) == [Path("out/mix_s1.wav"), Path("out/mix_s2.wav")]


def test_names_that_are_alike_get_their_folders_or_a_number():
    assert stems("a/mix.wav", "b/mix.wav", "c/one.wav") == ["a-mix", "b-mix", "one"]
    assert stems("a/mix.wav", "a/mix.flac", "x/a/MIX.wav") == ["a-mix", "a-mix-2", "a-MIX-3"]
    assert stems("a/mix.wav", "b/mix.wav", "a-mix.wav") == ["a-mix-2", "b-mix", "a-mix"]


def test_the_order_of_files_of_one_call_decides_nothing_but_numbers():
    assert stems("b/mix.wav", "a/mix.wav") == ["b-mix", "a-mix"]


def test_long_names_are_cut_and_stay_apart():
    long = ["x" * 250 + ".wav", "x" * 249 + "y.wav", "é" * 125 + ".wav"]
    found = stems(*long)
    assert len({stem.casefold() for stem in found}) == 3
    for stem in found:
        assert len(os.fsencode(f"{stem}_s10.wav")) <= 255


def test_a_file_is_known_by_any_name(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    os.link(tmp_path / "a", tmp_path / "c")
    (tmp_path / "d").write_text("x")
    assert identities([tmp_path / "a"]) == identities([tmp_path / "b"]) == identities([tmp_path / "c"])
    assert not identities([tmp_path / "a"]) & identities([tmp_path / "d"])
    assert identities([tmp_path / "absent", tmp_path / ("n" * 300), Path("a\0b")]) == set()

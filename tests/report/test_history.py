"""history.csv: what is written is what is read; what is missing or damaged is told in one line."""

import re

import pytest

from spiking_tasnet.report.history import read_history, write_history

ROWS = [
    {"epoch": 1, "ptl_stage": 0, "val_loss": 0.123456, "lr": 0.001},
    {"epoch": 2, "ptl_stage": 1, "val_loss": float("inf"), "lr": 5e-05},
]


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "history.csv"
    write_history(path, ROWS)
    assert path.read_text() == "epoch,ptl_stage,val_loss,lr\n1,0,0.123456,0.001\n2,1,inf,5e-05\n"
    assert read_history(path, "stage 1") == ROWS


@pytest.mark.parametrize(
    "text, message",
    [
        ("epoch,lr\n1,fast\n", "a cell that is no number found; run stage 1 again"),
        ("epoch,lr\n1\n", "a cell that is no number found; run stage 1 again"),
        ("epoch,lr\n", "no epoch found; run stage 1 again"),
        ("", "no epoch found; run stage 1 again"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, text, message):
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(f"{path}: {message}")):
        read_history(path, "stage 1")
    path.unlink()
    with pytest.raises(FileNotFoundError, match="not found; stage 1 makes it"):
        read_history(path, "stage 1")

"""The report of an experiment: RESULTS.md, results.json, the learning curves and the listening page (stage 5)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from spiking_tasnet.files import write_json, write_text
from spiking_tasnet.separation.report.curves import write_curves
from spiking_tasnet.separation.report.page import write_page
from spiking_tasnet.separation.report.results import load_experiment
from spiking_tasnet.separation.report.tables import Published, results_markdown


def write_report(
    exp_dir: str | os.PathLike,
    data_dir: str | os.PathLike,
    published: Published | None = None,
    allow_pipes: bool = False,
    *,
    utts: Sequence[str] = (),
    credit: str = "",
) -> list[Path]:
    """Write the report of a finished experiment into its folder.

    Args:
        exp_dir: exp/NAME, with what stages 1 to 4 wrote.
        data_dir: the data folder of stage 0; its `tt` gives the listening examples.
        published: numbers on WSJ0-2mix to show beside, labelled as the paper's.
        allow_pipes: run the commands of an scp.
        utts: ids of the mixtures on the listening page; none chooses typical ones.
        credit: attribution of the recordings, shown on the page.

    Returns:
        The files written.

    Raises:
        FileNotFoundError: an input is missing; the message says which stage makes it.
        ValueError: an input is damaged.
    """
    experiment = load_experiment(exp_dir)
    folder = experiment.folder
    written = [folder / name for name in ("RESULTS.md", "results.json", "curves.png", "demo/index.html")]
    write_page(written[3], experiment, data_dir, allow_pipes, utts=utts, credit=credit)
    write_curves(written[2], experiment.history, experiment.stages)
    write_text(written[0], results_markdown(experiment, published))
    write_json(written[1], experiment.plain_results())
    return written

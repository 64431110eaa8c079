"""Pack a converted network and its ANN in one small file."""

from __future__ import annotations

import argparse
from pathlib import Path

from spiking_tasnet.models import network_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Pack a spiking network whose weights have few bits, and the ANN it was converted from, in one file of at most "
        "6 MB: integers as they are, encoder, masks, decoder and ANN in half precision. The file is read back, and "
        "refused if one spike differs."
    )
    parser.add_argument("snn", type=Path, metavar="SNN", help="exp/NAME/snn, or a model.pt")
    parser.add_argument("--ann", type=Path, required=True, metavar="ANN", help="exp/NAME/ann, or a model.pt")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="the packed file")
    parser.add_argument(
        "--facts",
        type=Path,
        action="append",
        default=[],
        metavar="JSON",
        help="an object of facts on data and licences to keep in the file; may be repeated, the later ones win",
    )


def run(args: argparse.Namespace) -> None:
    """Pack."""
    from spiking_tasnet.files import read_json
    from spiking_tasnet.separation.packed import load_network, pack, training_facts

    paths = {"ann": _model(args.ann), "snn": _model(args.snn)}
    facts = training_facts(paths)
    for path in args.facts:
        given = read_json(path)
        if not isinstance(given, dict):
            raise ValueError(f"{path}: {type(given).__name__} found, an object of facts expected")
        facts |= given
    found = pack(args.out, load_network(paths["snn"]), load_network(paths["ann"], ann=True), facts)
    print(f"{args.out}: {found['bytes']:,} bytes; {found['spikes']:,} spikes are those of {paths['snn']}")


def _model(path: Path) -> Path:
    path = network_path(path)
    return path / "model.pt" if path.is_dir() else path

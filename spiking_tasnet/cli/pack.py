"""Pack a converted network and its ANN in one small file."""

from __future__ import annotations

import argparse
from pathlib import Path


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
        "--facts", type=Path, metavar="JSON", help="an object of facts on data and licences to keep in the file"
    )


def run(args: argparse.Namespace) -> None:
    """Pack."""
    from spiking_tasnet.files import read_json
    from spiking_tasnet.separation.packed import load_network, pack, training_facts

    paths = {"ann": _model(args.ann), "snn": _model(args.snn)}
    facts = training_facts(paths)
    if args.facts:
        given = read_json(args.facts)
        if not isinstance(given, dict):
            raise ValueError(f"{args.facts}: {type(given).__name__} found, an object of facts expected")
        facts |= given
    found = pack(args.out, load_network(paths["snn"]), load_network(paths["ann"], ann=True), facts)
    print(f"{args.out}: {found['bytes']:,} bytes; {found['spikes']:,} spikes are those of {paths['snn']}")


def _model(path: Path) -> Path:
    return path / "model.pt" if path.is_dir() else path

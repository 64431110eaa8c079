"""The model card and README's table, filled from figures.json, so that no figure is typed by hand.

python -m benchmarks.model_card [--figures recipes/talkers/figures.json] [--live-figures FILE] [--times FILE]

Writes docs/model_card.md and the same beside the models, and the block of README between its two marks. Figures are
made by benchmarks.model_figures, times by benchmarks.separate --out. Without figures the card says that there are none;
the live network has a chapter where there are figures of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.model_figures import cost_sentence, gain_table
from spiking_tasnet.files import read_json, write_json, write_text
from spiking_tasnet.report.markdown import number, table
from spiking_tasnet.report.run_facts import run_facts_by_row
from spiking_tasnet.report.templates import templates_in

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "talkers"
FIGURES, LIVE_FIGURES = RECIPE / "figures.json", RECIPE / "figures_live.json"
TIMES, FACTS = RECIPE / "times.json", RECIPE / "facts.json"
CARDS = (ROOT / "docs" / "model_card.md", ROOT / "spiking_tasnet" / "models" / "README.md")
README, PAGE = ROOT / "README.md", ROOT / "docs" / "listen.html"
MARKS = "<!-- figures: python -m benchmarks.model_card -->", "<!-- end of figures -->"
COMMANDS = """\
recipes/talkers/run.sh --stage 0 --stop-stage 0 --talkers DIR --extra DIR  # the corpora above, a folder per talker
git show 363f76e:recipes/talkers/ann.pt > ann.pt  # after 152 hours; RESULTS.md of the recipe has their settings
# with the settings that the tables above name
spiking-tasnet train --config recipes/talkers/conf/real.yaml --data recipes/talkers/data \\
    --exp recipes/talkers/exp/real --init ann.pt
spiking-tasnet convert --config recipes/talkers/conf/ptl_few.yaml --data recipes/talkers/data \\
    --exp recipes/talkers/exp/ptl_few --ann recipes/talkers/exp/real/ann/model.pt
spiking-tasnet pack recipes/talkers/exp/ptl_few/snn --ann recipes/talkers/exp/real/ann \\
    --facts recipes/talkers/facts.json -o spiking_tasnet/models/talkers.pt
spiking-tasnet mix --corpus so762-8k --mix-lists so762-8k --limit 300 --data so762
python -m benchmarks.model_figures --model spiking_tasnet/models/talkers.pt --out figures \\
    --open talkers=recipes/talkers/data/tt --open so762=so762/tt --closed talkers=recipes/talkers/data/cv \\
    --utterances talkers-8k/utterances.tsv
python -m benchmarks.separate --model spiking_tasnet/models/talkers.pt --threads 2 --out times.json \\
    --sound tests/fixtures/readers/two_men_mix.flac
python -m benchmarks.model_card --figures figures/figures.json --times times.json"""
LIVE_COMMANDS = """

# the live network, with the settings that the tables above name
git show 2781046:spiking_tasnet/models/talkers.pt > talkers96.pt  # after 96 hours
spiking-tasnet train --config recipes/talkers/conf/live.yaml --data recipes/talkers/data \\
    --exp recipes/talkers/exp/live --init talkers96.pt
spiking-tasnet convert --config recipes/talkers/conf/ptl_live.yaml --data recipes/talkers/data \\
    --exp recipes/talkers/exp/live
spiking-tasnet pack recipes/talkers/exp/live/snn --ann recipes/talkers/exp/live/ann -o spiking_tasnet/models/live.pt \\
    --facts recipes/talkers/facts.json --facts recipes/talkers/facts_live.json
python -m benchmarks.model_figures --model spiking_tasnet/models/live.pt --out figures_live \\
    --open talkers=recipes/talkers/data/tt --open so762=so762/tt
python -m benchmarks.model_card --live-figures figures_live/figures.json"""


def card(
    figures: Mapping[str, Any] | None,
    times: Mapping[str, Any] | None,
    facts: Mapping[str, Any],
    live: Mapping[str, Any] | None = None,
) -> str:
    """The card as Markdown.

    Args:
        figures: of `model_figures`; None where there is no model.
        times: of `benchmarks.separate`; None leaves them out.
        facts: data and licences, where the figures do not hold them.
        live: figures of the live network; None leaves its chapter out.
    """
    facts = figures["facts"] if figures else facts
    templates = templates_in(Path(__file__).parent, keep_trailing_newline=True)
    given: dict[str, Any] = {"figures": figures, "corpora": corpora_table(facts)}
    given |= {"commands": COMMANDS + (LIVE_COMMANDS if live else ""), "live": chapter(live) if live else None}
    if figures:
        given |= {**chapter(figures), "times": time_section(times) if times else ""}
    return templates.get_template("model_card.md.j2").render(given)


def chapter(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What the card says of one network."""
    facts = figures["facts"]
    return {
        "sizes": size_table(figures["model"]),
        "parts": parts(figures),
        "start": f"Training started from {facts['start']}." if "start" in facts else "",
        "runs": runs_table(facts),
    }


def size_table(model: Mapping[str, Any]) -> str:
    """Sizes of the network and of its file."""
    sizes = model["sizes"]
    frame = [f"{1e3 * sizes[key] / sizes['sample_rate']:g} ms" for key in ("kernel_size", "stride")]
    rows = [
        ["file", f"{model['bytes'] / 1e6:.1f} MB, SNN and ANN"],
        ["parameters of each", number(model["parameters"])],
        ["encoder", f"{sizes['n_filters']} filters of {frame[0]}, every {frame[1]}"],
        ["separator", f"{sizes['n_blocks']} dilated layers of {sizes['hid_chan']} channels behind an encoding layer"],
        ["context", f"{model['receptive_field_s']:.2f} s"],
        ["spikes", f"N_s = {model['num_steps']}, weights of {model['weight_bits'] or 32} bits"],
    ]
    if model.get("firing") == "phased":
        rows.append(["firing", f"phased: on hardware in real time each layer is late by {frame[1]}"])
    if sizes.get("causal"):
        rows.append(["algorithmic latency", f"{frame[0]}, one filter: the network is causal"])
    return table(["", ""], rows, text_columns=2)


def parts(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    """A section a test set: title, gains, cost, gains by language."""
    told = figures["facts"].get("tests", {})
    found = []
    for corpus, conditions in figures["corpora"].items():
        for condition, one in conditions.items():
            name = told.get(corpus, {}).get(condition, corpus)
            count = f"{one['mixtures']} mixtures of {one['talkers']} talkers"
            found.append(
                {
                    "title": f"{condition.capitalize()}: {corpus}",
                    "gains": f"{name}. {count}.\n\n" + gain_table("mixtures", one["gains"]),
                    "cost": cost_sentence(one, figures["model"]),
                    "languages": gain_table("language", one["languages"]) if one["languages"] else "",
                }
            )
    return found


def runs_table(facts: Mapping[str, Any]) -> str:
    """Command, seed, hours, machine and versions of both trainings, a table each, as commands are long.

    Commands are no code here: they name the folders of the machine that ran them, and are not to be copied.
    """
    runs = {"ANN": facts.get("ann"), "SNN": facts.get("snn")}
    by_row = {name: run_facts_by_row({name: run}) for name, run in runs.items() if run}
    tables = [
        table([name, ""], [[label, *(cell.replace("`", "") for cell in cells)] for label, cells in rows.items()], 2)
        for name, rows in by_row.items()
    ]
    return "\n\n".join(tables)


def corpora_table(facts: Mapping[str, Any]) -> str:
    """Name, licence, part and citation of each corpus."""
    keys = ("name", "part", "licence", "citation")
    return table(["corpus", "part", "licence", "citation"], [[one[key] for key in keys] for one in facts["corpora"]], 4)


def time_section(times: Mapping[str, Any]) -> str:
    """Real-time factors, as `benchmarks.separate` measured them."""
    rows = [
        [one["network"], number(one["ms"], 1), number(one["real_time_factor"], 4), number(one["ratio"], 2)]
        for one in times["networks"]
    ]
    head = f"{times['seconds']:g} s, batch 1, {times['threads']} threads, {times['machine']['cpu']}, one run:\n\n"
    return head + table(["network", "ms", "real-time factor", "x ANN"], rows)


def readme_block(figures: Mapping[str, Any] | None) -> str:
    """README's first table, gain on talkers never heard, with links to card and page; empty without figures."""
    if not figures:
        return ""
    told, rows = figures["facts"].get("tests", {}), []
    for corpus, conditions in figures["corpora"].items():
        if "open" not in conditions:
            continue
        one, name = conditions["open"], told.get(corpus, {}).get("open", corpus).partition(":")[0]
        for system, label in (("ann", "ANN"), ("snn", f"**SNN, N_s = {figures['model']['num_steps']}**")):
            mine = one["gains"]["all"][system]
            energy = "1" if system == "ann" else number(one["cost"]["energy_ratio"], 2)
            scores = [number(mine["si_sdr_i"], 2, sign=True) + " dB", number(mine["pesq"], 2), energy]
            rows.append([f"{name}, {one['mixtures']} mixtures", label, *scores])
    links = ["[model card](docs/model_card.md)"] + ["[listen](docs/listen.html)"] * PAGE.is_file()
    gains = table(["talkers it never heard", "network", "gain (SI-SDR)", "PESQ", "energy"], rows, text_columns=2)
    return f"The network that comes with it ({', '.join(links)}):\n\n{gains}"


def with_block(text: str, block: str) -> str:
    """`text` with what lies between the two marks replaced.

    Raises:
        ValueError: the marks are not there.
    """
    before, mark, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not mark or not end:
        raise ValueError(f"README: the marks {MARKS[0]} and {MARKS[1]} expected, not found")
    return f"{before}{mark}\n{block}\n{end}{after}" if block else f"{before}{mark}\n{end}{after}"


def main() -> None:
    """Write both copies of the card and README's block."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=Path, default=FIGURES, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--live-figures", type=Path, default=LIVE_FIGURES, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--times", type=Path, default=TIMES, metavar="FILE", help="default: %(default)s")
    args = parser.parse_args()
    paths = args.figures, args.times, args.live_figures
    figures, times, live = (read_json(path) if path.is_file() else None for path in paths)
    text = card(figures, times, read_json(FACTS), live)
    for path in CARDS:
        write_text(path, text)
        print(path)
    write_text(README, with_block(README.read_text(encoding="utf-8"), readme_block(figures)))
    print(README)
    made = ((FIGURES, figures), (TIMES, times), (LIVE_FIGURES, live))
    for path, kept in made:  # beside the recipe, from which a test makes the card again
        if kept is not None:
            write_json(path, kept)


if __name__ == "__main__":
    main()

"""Write the page: scripts, module and model go into one HTML file that `page.html.j2` lays out."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from markupsafe import Markup

from spiking_tasnet.files import write_text
from spiking_tasnet.report.templates import templates_in
from spiking_tasnet.runtime.stn import Stn, unpack_separator
from spiking_tasnet.runtime.wasm import MODULE
from spiking_tasnet.separation.audio import channels
from spiking_tasnet.separation.report import media
from spiking_tasnet.separation.streaming import gains, level, rumble
from spiking_tasnet.snn import energy

FOLDER = Path(__file__).parent
WORKER = ("separator", "channels", "resample", "levels", "cost", "pictures", "worker")  # in this order
MAIN = ("sound", "plots", "page")
TITLE = "Two voices, separated by spikes"
COLUMNS = 1200  # of a spectrogram, at most
MOST_MINUTES = 10  # of a recording; five minutes of stereo at 44.1 kHz take a browser 0.66 GB
RASTER_ROWS, RASTER_BYTES = 32, 1 << 26  # neurons shown of each layer; their spikes, at most
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
# What the page may do: run its own script and style, the module, and a worker; play what it made. It may connect to
# nothing.
POLICY = (
    "default-src 'none'; connect-src 'none'; form-action 'none'; base-uri 'none'; script-src '{script}' "
    "'wasm-unsafe-eval'; style-src '{style}'; worker-src blob:; media-src blob:; img-src data:"
)


@dataclass(frozen=True)
class Page:
    """What `page.html.j2` shows."""

    title: str
    talkers: str
    facts: str
    source: str
    policy: str
    settings: dict[str, Any]
    module: str
    model: str
    example: str
    example_name: str
    style: Markup
    worker: Markup
    script: Markup


def write_page(
    path: str | os.PathLike,
    model: bytes,
    *,
    title: str = TITLE,
    example: Path | None = None,
    module: bytes | None = None,
) -> None:
    """Write the page of a separator.

    Args:
        path: the HTML file.
        model: contents of an .stn file.
        title: heading and title of the page.
        example: a sound file that goes into the page, for a visitor who has none at hand.
        module: the runtime as WebAssembly; that of the package if None.

    Raises:
        FileNotFoundError: no such example, or the package lacks the module.
        ValueError: no such contents.
        OSError: it cannot be written.
    """
    write_text(path, render(model, title=title, example=example, module=module))


def render(model: bytes, *, title: str = TITLE, example: Path | None = None, module: bytes | None = None) -> str:
    """The page that `write_page` writes; arguments and errors as there."""
    found = unpack_separator(model)
    style, worker, script = _text("page.css"), _scripts("worker", WORKER), _scripts("main", MAIN)
    n_src = found.sizes["n_src"]
    page = Page(
        title=title,
        talkers=NUMBERS[n_src] if n_src < len(NUMBERS) else str(n_src),
        facts=_facts(found, len(model)),
        source=energy.ENERGY_SOURCE,
        policy=POLICY.format(script=_digest(script), style=_digest(style)),
        settings=page_settings(found),
        module=_base64(module if module is not None else MODULE.read_bytes()),
        model=_base64(model),
        example=_base64(example.read_bytes()) if example else "",
        example_name=example.name if example else "",
        style=Markup(style),
        worker=Markup(worker),
        script=Markup(script),
    )
    templates = templates_in(FOLDER, autoescape=True)
    return templates.get_template("page.html.j2").render(page=page)


def page_settings(found: Stn) -> dict[str, Any]:
    """Constants of the Python side that the scripts work with, by the names that they have there."""
    constants = "LOW_RATE FRAME_SECONDS FRAMES_A_WINDOW IDLE LITTLE_LOST CANCELLED TOGETHER FEWEST_FRAMES MISSING"
    return {
        "channels": _constants(channels, f"{constants} MOST_MISSING"),
        "rumble": _constants(rumble, "CUTOFF SECONDS"),
        "level": _constants(level, "TARGET_RMS REACH SILENCE_RMS"),
        "gains": _constants(gains, "BLOCK_SECONDS LOOK_AHEAD"),
        "energy": _constants(energy, "MAC_JOULE AC_JOULE"),
        "pictures": _constants(media, "WINDOW_SECONDS RANGE_DB")
        | {"mostColumns": COLUMNS, "rasterRows": RASTER_ROWS, "rasterBytes": RASTER_BYTES},
        "mostMinutes": MOST_MINUTES,
        "sizes": found.sizes | {"causal": found.flags["causal"]},
    }


def _constants(module: ModuleType, names: str) -> dict[str, float]:
    return {name: getattr(module, name) for name in names.split()}


def _facts(found: Stn, n_bytes: int) -> str:
    """A sentence on the network."""
    integers = sum(values.size for values in found.arrays.values() if values.dtype == np.int8)
    weights = sum(values.size for name, values in found.arrays.items() if values.ndim > 1)
    bits = f", {integers / 1e6:.2f} million of them in 8 bits" if integers else ""
    steps, rate = found.sizes["num_steps"], found.sizes["sample_rate"]
    return (
        f"The network in this page: {weights / 1e6:.2f} million weights{bits}; {found.sizes['n_blocks']} layers of "
        f"spiking neurons that work in {steps} steps; {rate} Hz, so sound up to {rate / 2000:g} kHz; "
        f"{n_bytes / 1e6:.1f} MB. Where nobody speaks for a second or more, the talkers may "
        "come back in the other order."
    )


def _base64(contents: bytes) -> str:
    return base64.b64encode(contents).decode("ascii")


def _digest(text: str) -> str:
    """How the policy names a script or style."""
    return f"sha256-{_base64(hashlib.sha256(text.encode()).digest())}"


@cache
def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _scripts(folder: str, names: tuple[str, ...]) -> str:
    """Scripts one behind the other; each may use what those before it define."""
    return '"use strict";\n' + "\n".join(_text(f"{folder}/{name}.js") for name in names)

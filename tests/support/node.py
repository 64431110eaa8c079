"""Scripts of the page in Node, for tests that need no browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

OLDEST = 18
SCRIPTS = Path(__file__).parents[2] / "spiking_tasnet" / "separation" / "browser"


def run_scripts(names: list[str], code: str, *args: str | Path) -> dict:
    """Run scripts of the page and then `code`, which leaves its answer in `answer`; `args` are in `argv`.

    The test is skipped, with the reason, where there is no Node.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST:
        pytest.skip(f"Node {version} found, {OLDEST} or later expected")
    texts = [(SCRIPTS / name).read_text(encoding="utf-8") for name in names]
    frame = f"""
const fs = require("fs"), argv = process.argv.slice(1);
const floats = path => new Float32Array(new Uint8Array(fs.readFileSync(path)).buffer);
{"".join(texts)}
let answer = {{}};
(async () => {{ {code} }})().then(() => console.log(JSON.stringify(answer)));
"""
    command = [node, "--unhandled-rejections=strict", "-e", frame, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

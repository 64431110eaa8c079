"""The Python that the commands of the stages run with."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from spiking_tasnet.stages.signals import Signals

SCRIPT = "SPIKING_TASNET_ENV"  # variable: the tools/env.sh that has left the environment for later


def ready_python(signals: Signals) -> str | None:
    """The Python with all packages, which is made or checked first if run.sh has left that to us.

    Returns:
        Its path; None if it could not be had, which tools/env.sh has told.
    """
    script = os.environ.get(SCRIPT)
    if not script:
        return sys.executable
    from spiking_tasnet.stages.process import run_command

    if run_command(["bash", script], signals) != 0:
        return None
    named = os.environ.get("SPIKING_TASNET_PYTHON")
    return (shutil.which(named) if named else None) or str(Path(script).parents[1] / ".venv" / "bin" / "python")

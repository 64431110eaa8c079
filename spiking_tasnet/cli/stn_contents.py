"""The contents of an .stn file, for commands that take one or a network that could be exported to one."""

from __future__ import annotations

from pathlib import Path


def stn_contents(path: Path | None) -> bytes:
    """Contents of an .stn file, or of what one would be.

    Args:
        path: an .stn file, or what `Separator.load` takes.

    Raises:
        OSError, ValueError: there is no such network.
    """
    if path is not None and path.suffix == ".stn":
        return path.read_bytes()
    from spiking_tasnet.runtime.stn import pack_separator
    from spiking_tasnet.separation.separator import Separator

    return pack_separator(Separator.load(path).network)

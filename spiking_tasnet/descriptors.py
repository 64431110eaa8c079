"""The file descriptors of stdin, stdout and stderr."""

from __future__ import annotations

import os


def hold_standard_streams() -> None:
    """Open what the caller closed of 0, 1 and 2 to nothing, for child processes too.

    A file or pipe of ours that got such a number would take what is printed.
    """
    descriptor = os.open(os.devnull, os.O_RDWR)  # always the lowest number that is free
    while descriptor <= 2:
        os.set_inheritable(descriptor, True)
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)

"""The event kernel's source, for whoever compiles it: PyTorch's layers (`kernels.build`) and the runtime in C.

Nothing here loads torch, so that the runtime runs without.
"""

from pathlib import Path

FRACTION_BITS = 8
"""Integer currents, thresholds and membranes count 2**-FRACTION_BITS of what a spike adds at an integer weight of 1."""

SOURCES = tuple(Path(__file__).parent / "kernels" / name for name in ("event.c", "event_variant.inc", "event.h"))
DEFINES = (f"-DFRACTION_BITS={FRACTION_BITS}",)

"""The runtime as WebAssembly, for the page that separates in a browser (`spiking-tasnet page`).

separator.wasm   the sources of `runtime/` and memory.c, compiled by tools/build_wasm.py; it imports nothing
memory.c         what it takes of a C library; `include/` declares it
"""

from pathlib import Path

MODULE = Path(__file__).with_name("separator.wasm")

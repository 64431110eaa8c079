"""Build the C runtime as WebAssembly, which `spiking-tasnet page` puts into its page.

    python tools/build_wasm.py            # into the package; needs clang and lld (Debian: apt-get install clang lld)
    python tools/build_wasm.py --check    # is the module in the package built from the sources beside it?

The module imports nothing. It exports the functions of separator.h, `malloc`, `free` and `memory`. A section of its
own, `sources`, holds the SHA-256 of what it was built from.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from spiking_tasnet.files import whole_file
from spiking_tasnet.runtime.backend import HEADERS, UNITS
from spiking_tasnet.runtime.wasm import MODULE
from spiking_tasnet.snn.event_source import DEFINES
from spiking_tasnet.snn.event_source import SOURCES as KERNEL_SOURCES

LIBRARY = MODULE.with_name("memory.c")
INCLUDE = MODULE.with_name("include")
FLAGS = (
    *("--target=wasm32", "-std=gnu11", "-O3", "-msimd128", "-mbulk-memory", "-fwrapv", "-ffp-contract=off"),
    *("-Wall", "-Wextra", "-Wno-unknown-pragmas", *DEFINES),
    *("-nostdlib", "-nostdlibinc", "-Wl,--no-entry", "-Wl,--strip-all"),
    # The stack lies below everything else, so that what overflows it ends in a trap.
    *("-Wl,--stack-first", "-Wl,-z,stack-size=131072"),
)
SECTION = b"sources"


def toolchain_fault() -> str:
    """Why the module cannot be built here; empty where it can."""
    missing = [name for name in ("clang", "wasm-ld") if not shutil.which(name)]
    return f"{' and '.join(missing)} not found; install clang and lld" if missing else ""


def exports() -> list[str]:
    """Names of the functions that the page calls."""
    return ["malloc", "free", *re.findall(r"^\w.*?\b(separator_\w+)\(", HEADERS[0].read_text(), flags=re.MULTILINE)]


def digest() -> bytes:
    """SHA-256 of all that the module is built from, flags included."""
    sources = (*UNITS, *HEADERS, *KERNEL_SOURCES, LIBRARY, *sorted(INCLUDE.iterdir()))
    texts = [path.name.encode() + b"\0" + path.read_bytes() for path in sources]
    return hashlib.sha256(b"\0".join([" ".join(FLAGS).encode(), *texts])).digest()


def build(target: Path = MODULE) -> None:
    """Build the module, whole or not at all.

    Raises:
        FileNotFoundError: no clang or no lld.
        subprocess.CalledProcessError: it cannot be built.
    """
    if fault := toolchain_fault():
        raise FileNotFoundError(fault)
    with whole_file(target) as temporary:
        named = [f"-Wl,--export={name}" for name in exports()]
        command = ["clang", *FLAGS, *named, "-isystem", INCLUDE, *UNITS, LIBRARY, "-o", temporary]
        subprocess.run(list(map(str, command)), check=True)
        temporary.chmod(0o644)
        content = bytes([len(SECTION)]) + SECTION + digest()
        with temporary.open("ab") as file:  # a custom section: its number, the bytes that follow, its name
            file.write(bytes([0, len(content)]) + content)


def is_current(module: Path = MODULE) -> bool:
    """Whether a module was built from the sources that are here."""
    return module.is_file() and module.read_bytes().endswith(SECTION + digest())


def main(argv: list[str] | None = None) -> int:
    """Build, or check; returns 1 where the check fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="build nothing; exit with 1 if it should be built again")
    parser.add_argument("-o", "--out", type=Path, default=MODULE, help="the module (default: that in the package)")
    args = parser.parse_args(argv)
    if args.check:
        if not is_current(args.out):
            print(f"{args.out}: it was built from other sources; run python tools/build_wasm.py", file=sys.stderr)
            return 1
        return 0
    try:
        build(args.out)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"build_wasm: error: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}: {args.out.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())

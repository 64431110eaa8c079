"""Check the types of spiking_tasnet with basedpyright, and compare the errors of each folder with a table.

A folder fails when it has more errors than `ALLOWED` says. When it has fewer, a note asks you to lower the number.
Other versions of the packages have other type stubs and hence other errors: where the installed versions are not those
of `constraints.txt`, a difference is a note and not a failure.

    python .ci/check_types.py            # one line per folder that differs
    python .ci/check_types.py --list snn # every error of a folder, as file:line
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "spiking_tasnet"

# Errors allowed per folder of the package; "." holds its own files. A folder that is not listed has none.
ALLOWED: dict[str, int] = {}


def run_checker(root: Path = ROOT) -> list[dict]:
    """Run basedpyright with the settings of pyproject.toml and return its diagnostics.

    Raises:
        SystemExit: basedpyright is not installed or gives no report.
    """
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--outputjson"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, encoding="utf-8")
    try:
        return json.loads(result.stdout)["generalDiagnostics"]
    except (ValueError, KeyError) as error:
        last = (result.stderr or result.stdout).strip().splitlines()[-1:] or ["no output"]
        message = f"types: basedpyright gave no report ({last[0]}); install the test extra: pip install '.[test]'"
        raise SystemExit(message) from error


def relevant_errors(diagnostics: list[dict], root: Path = ROOT) -> list[tuple[str, str]]:
    """Return (folder, line of text) of each error in the package.

    Optional packages (triton, nir, torchvision) are not installed everywhere, so an import of another package that is
    not found is no error here.
    """
    errors = []
    for found in diagnostics:
        if found["severity"] != "error":
            continue
        if found.get("rule") == "reportMissingImports" and f'"{PACKAGE}' not in found["message"]:
            continue
        path = Path(found["file"]).relative_to(root / PACKAGE)
        place = f"{PACKAGE}/{path.as_posix()}:{found['range']['start']['line'] + 1}"
        message = " ".join(found["message"].split())
        errors.append((path.parts[0] if len(path.parts) > 1 else ".", f"{place}: {message} [{found.get('rule', '')}]"))
    return errors


def other_versions(constraints: str) -> list[str]:
    """Return the packages that are installed in another version than `constraints` (text of the file) names."""
    other = []
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", constraints, flags=re.MULTILINE):
        try:
            if metadata.version(name).split("+")[0] != version:  # "+cpu" is a build, not a version
                other.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            pass  # an extra that is not installed
    return other


def compare(found: Counter[str], allowed: dict[str, int], other: list[str]) -> tuple[list[str], bool]:
    """Compare the errors per folder with the table.

    Args:
        found: errors per folder.
        allowed: the table.
        other: packages in another version than the table was made with.

    Returns:
        Lines to print, and whether the check passes.
    """
    lines, passes = [], True
    for folder in sorted({*found, *allowed}):
        have, may = found[folder], allowed.get(folder, 0)
        if have > may:
            lines.append(f"types: {folder}: {have} errors, {may} allowed; see .ci/check_types.py --list {folder}")
            passes = False
        elif have < may:
            lines.append(f"types: note: {folder}: {have} errors, {may} allowed; lower it in .ci/check_types.py")
    if not passes and other:
        lines.append(f"types: note: not a failure, as other versions are installed ({', '.join(other)})")
        passes = True
    return lines, passes


def main(argv: list[str] | None = None) -> int:
    """Print what differs; return 0 if the check passes, else 1."""
    parser = argparse.ArgumentParser(description="Check the types of spiking_tasnet.")
    parser.add_argument("--list", metavar="FOLDER", help="print every error of this folder ('.' is the package itself)")
    args = parser.parse_args(argv)
    errors = relevant_errors(run_checker())
    if args.list:
        print(*(line for folder, line in errors if folder == args.list), sep="\n")
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines, passes = compare(Counter(folder for folder, _ in errors), ALLOWED, other_versions(constraints))
    print(*lines, f"types: {len(errors)} errors, {'as allowed' if passes else 'too many'}", sep="\n")
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())

"""`base: FILE` in a YAML: settings of another file, relative to this one, that its own settings override."""

from __future__ import annotations

import re
from pathlib import Path

_BASE = re.compile(r"^(?:base|'base'|\"base\")[ \t]*:[ \t]*(.*)$", re.MULTILINE)


def base_of(path: Path) -> Path | None:
    """The file that `path` names as its base; None where it names none.

    Only the line is looked at, so this needs no YAML library.

    Raises:
        ValueError: the base is not the name of a file, or there is no such file.
    """
    found = _BASE.search(path.read_text(encoding="utf-8", errors="replace"))
    if found is None:
        return None
    name = re.sub(r"(^|\s)#.*$", "", found[1]).strip()
    if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1]
    if not name or name[0] in "[{&*!|>":
        raise ValueError(f"{path}: base: {name!r} found, the name of a YAML expected, relative to this one")
    base = path.parent / name
    if not base.is_file():
        raise ValueError(f"{path}: base: {name}: no such file; its name is relative to this one")
    return base


def with_bases(path: str | Path) -> list[Path]:
    """A YAML, its base, the base of that, and so on.

    Raises:
        ValueError: a base is missing, or a file is its own base, directly or through others.
    """
    files = [Path(path)]
    while (base := base_of(files[-1])) is not None:
        if any(base.samefile(file) for file in files):
            names = " -> ".join(file.name for file in [*files, base])
            raise ValueError(f"{files[0]}: bases that lead back to themselves ({names}); take one `base:` out")
        files.append(base)
    return files

"""The imports of the package, read from its source: no circle, and none upwards by the floors of CONTRIBUTING.md.

Imports inside functions and under TYPE_CHECKING count, and so do module names in strings, by which lazy imports name
their target.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "spiking_tasnet"


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str, name: str, modules: set[str]) -> set[str]:
    """The modules of the package that the module `name` imports.

    `from package import module` is an import of the module; `from package import function` is one of the package.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}, line {node.lineno}: a relative import; write the whole name"
            for alias in node.names:
                member = f"{node.module}.{alias.name}"
                found.add(member if member in modules else node.module)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value.split(":")[0])
    return (found & modules) - {name}


def read_package(root: Path, package: str = PACKAGE) -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports."""
    paths = {module_name(path, root): path for path in sorted((root / package).rglob("*.py"))}
    return {name: imports_of(path.read_text(encoding="utf-8"), name, set(paths)) for name, path in paths.items()}


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that reach each other (Tarjan, 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in sorted(imports[name]):
            if other not in order:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == order[name]:
            group = [stack.pop()]
            while group[-1] != name:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for name in sorted(imports):
        if name not in order:
            visit(name)
    return found


def floors() -> dict[str, int]:
    """Folder of the package -> its floor, 0 at the top, as CONTRIBUTING.md lists them; "" is the ground."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("## Floors", 1)[1].split("\n## ", 1)[0]
    levels = {}
    for level, line in enumerate(re.findall(r"^\d+\. ([^:\n]+)", section, flags=re.MULTILINE)):
        for folder in re.findall(r"`(\w+)/`", line) or [""]:
            levels[folder] = level
    return levels


def folder_of(module: str) -> str:
    """The folder under the package that a module lies in; "" for the package's own modules."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (ROOT / PACKAGE / parts[1]).is_dir() else ""


@pytest.fixture(scope="module")
def imports():
    found = read_package(ROOT)
    # __init__ and __main__ of the package stand above all floors; the modules below need only the version from them
    # (test_modules_ask_the_package_itself_for_the_version_only).
    return {name: others - {PACKAGE} for name, others in found.items() if name not in (PACKAGE, f"{PACKAGE}.__main__")}


def test_no_circle(imports):
    assert circles(imports) == []


def test_no_import_upwards_or_across(imports):
    levels = floors()
    wrong = []
    for name, others in imports.items():
        for other in others:
            here, there = folder_of(name), folder_of(other)
            if here != there and levels[here] >= levels[there]:
                wrong.append(f"{name} imports {other}")
    assert wrong == []


def test_every_folder_has_a_floor():
    folders = {path.parent.name for path in (ROOT / PACKAGE).glob("*/__init__.py")}
    assert set(floors()) == folders | {""}


def test_modules_ask_the_package_itself_for_the_version_only():
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert PACKAGE not in [alias.name for alias in node.names], path
            elif isinstance(node, ast.ImportFrom) and node.module == PACKAGE and path.parent.name != PACKAGE:
                names = {alias.name for alias in node.names}
                assert names <= {"__version__", *(file.stem for file in path.parents[1].glob("*.py"))}, path


def test_the_reader_sees_what_it_should(tmp_path):
    package = tmp_path / "house"
    (package / "room").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "room" / "__init__.py").write_text("from house.room.chair import sit\n")
    (package / "room" / "chair.py").write_text("def sit():\n    from house import ground\n")
    (package / "ground.py").write_text("import os\nLAZY = {'lamp': 'house.room.lamp:Lamp'}\n")
    (package / "room" / "lamp.py").write_text("if TYPE_CHECKING:\n    import house.room.chair\n")
    found = read_package(tmp_path, "house")
    assert found == {
        "house": set(),
        "house.room": {"house.room.chair"},
        "house.room.chair": {"house.ground"},
        "house.ground": {"house.room.lamp"},
        "house.room.lamp": {"house.room.chair"},
    }
    assert circles(found) == [["house.ground", "house.room.chair", "house.room.lamp"]]


@pytest.mark.parametrize("statement", ["import spiking_tasnet", "from spiking_tasnet.separation.config import Config"])
def test_torch_is_not_loaded(statement):
    code = f"import sys\n{statement}\nprint(sorted({{'torch', 'pytorch_lightning', 'asteroid'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr

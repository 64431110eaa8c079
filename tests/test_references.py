"""Pages and code refer only to pages, files and works that are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SKIP = {".git", ".venv", ".pytest_cache", ".ruff_cache", "site", "data", "exp", "corpus", "build", "shared", "tests"}
SUFFIXES = {".md", ".py", ".sh", ".yaml", ".yml", ".toml", ".c", ".h", ".inc", ".j2", ".cff", ".txt"}
FILE = re.compile(
    r"(?<![\w./-])((?:docs|tools|recipes|egs|tests|benchmarks|spiking_tasnet)/[\w./-]+\.(?:md|sh|py|c|h|inc|yaml|txt|svg|png|j2))\b"
)
WORK = re.compile(r"\b([A-Z][\w-]+)(?: et al\.| and [A-Z][\w-]+)?,? \(?((?:19|20)\d\d)\)?(?![\d-])")
MONTHS = "January February March April May June July August September October November December".split()
NO_AUTHORS = {*MONTHS, "In", "Since", "WSJ0", "CIFAR", "Python", "ILSVRC", "ISSCC", "Seed"}


def sources(*suffixes: str) -> list[Path]:
    found = (path for path in sorted(ROOT.rglob("*")) if path.suffix in (suffixes or SUFFIXES))
    return [path for path in found if not SKIP & {*path.relative_to(ROOT).parts[:-1]} and path.name != "CHANGELOG.md"]


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", sources(".md"), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), f"{target}: no such file"
        assert not anchor or anchor in anchors(found), f"{target}: no such heading"


def test_files_that_are_named_exist():
    missing = {
        f"{path.relative_to(ROOT)} names {name}"
        for path in sources()
        for name in FILE.findall(path.read_text(encoding="utf-8"))
        if not {"exp", "data", "corpus", "lists", "NAME"} & {*name.split("/")} and not (ROOT / name).exists()
    }
    assert missing == set()


def test_notes_that_are_not_in_the_repository_are_not_cited():
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in sources()
        for match in re.finditer(
            r"\bDESIGN\b(?: section|\.md)|\b(?:HOUSE|STYLE|CASES)\.md\b", path.read_text(encoding="utf-8")
        )
    ]
    assert found == []


def comments_and_strings(path: Path) -> str:
    """What a file says to its reader."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    strings = [node.value for node in nodes if isinstance(node.value, str)]
    return "\n".join([*strings, *re.findall(r"#(.*)$", text, flags=re.MULTILINE)])


def test_works_are_cited_by_author_and_year():
    """A number in brackets ([26]) means nothing without the paper's list; docs/references.md lists the authors."""
    references = (ROOT / "docs" / "references.md").read_text(encoding="utf-8")
    entries = re.split(r"^- ", references, flags=re.MULTILINE)
    wrong = []
    for path in sources(".py", ".c", ".inc", ".h"):
        text = comments_and_strings(path)
        numbers = re.findall(r"(?:^|[\s(,:])(\[\d\d\])(?=[\s,.:;)]|$)", text) if path.suffix == ".py" else []
        cited = [match for match in WORK.finditer(text) if match[1] not in NO_AUTHORS]
        unknown = [match[0] for match in cited if not any(match[1] in entry and match[2] in entry for entry in entries)]
        wrong += [f"{path.relative_to(ROOT)}: {citation}" for citation in [*numbers, *unknown]]
    assert wrong == []


def test_no_docstring_only_points_to_the_class():
    found = []
    for path in sources(".py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and "See the class" in (ast.get_docstring(node) or ""):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


def test_names_in_the_glossary_are_in_the_code():
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources(".py") if "spiking_tasnet" in path.parts)
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|.*\|$", glossary, flags=re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`([a-z]\w+)`", row)}
    assert len(names) > 20 and {name for name in names if not re.search(rf"\b{name}\b", code)} == set()

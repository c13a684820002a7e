"""The documents: every link, image and heading they point to exists, the README stays short, the words are the ones agreed on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").is_file())
README = ROOT / "README.md"
PAGES = ROOT / "js" / "docs"  # English: ComfyUI falls back to <node>.md in every language without a page of its own
HELP = sorted(PAGES.glob("*.md"))
TRANSLATED = sorted(PAGES.glob("*/*.md"))
LANGUAGES = {"ja", "zh"}
DOCUMENTS = [
    *(README, ROOT / "CHANGELOG.md", *sorted((ROOT / ".github").glob("*.md"))),
    *(*sorted((ROOT / "docs").glob("*.md")), *HELP),
]

WORDS = 1200
RETIRED = re.compile(r"\b(soup|picture)(s|d)?\b", re.IGNORECASE)  # say "interpolated" and "image"
CITED = {"nodes/runs/interpolation.py:3: soups"}  # Model soups, the title of the paper
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
TARGETS = (re.compile(r"\]\(([^)\s]+)\)"), re.compile(r"""(?:src|href)=["']([^"']+)["']"""))
ELSEWHERE = ("http://", "https://", "mailto:")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=_name)


def targets(path: Path) -> Iterator[str]:
    """What a document's links and images point to within the repository."""
    text = CODE.sub("", path.read_text("utf-8"))
    for pattern in TARGETS:
        yield from (target for target in pattern.findall(text) if not target.startswith(ELSEWHERE))


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a document."""
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def retired(path: Path) -> list[str]:
    lines = enumerate(path.read_text("utf-8").splitlines(), start=1)
    return [f"{_name(path)}:{number}: {found[0]}" for number, line in lines for found in RETIRED.finditer(line)]


def test_the_documents_were_found() -> None:
    assert len(HELP) >= 15
    assert {f"docs/{name}.md" for name in ("costs", "demo", "development", "fidelity", "lambda")} <= set(
        map(_name, DOCUMENTS)
    )


@every_document
def test_every_relative_link_and_image_resolves(path: Path) -> None:
    for target in targets(path):
        file, _, anchor = target.partition("#")
        found = (path.parent / unquote(file)).resolve() if file else path
        assert found.exists() and ROOT in found.parents, f"{_name(path)} points to {target}"
        if anchor:
            assert anchor in anchors(found), f"{_name(path)} points to {target}"


@pytest.mark.parametrize("path", [*HELP, *TRANSLATED], ids=_name)
def test_a_help_page_shows_its_node_and_links_to_no_other_file(path: Path) -> None:
    """ComfyUI shows the page alone, and looks for its images from the folder of the English pages."""
    node = path.stem if path in HELP else path.parent.name
    assert list(targets(path)) == [f"images/{node}.png"]
    with Image.open(PAGES / "images" / f"{node}.png") as image:
        assert image.format == "PNG" and 250 <= image.width <= 700
    assert (PAGES / "images" / f"{node}.png").stat().st_size < 60_000


@pytest.mark.parametrize("path", HELP, ids=_name)
def test_a_help_page_has_its_translations_of_the_same_shape(path: Path) -> None:
    """The same headings, formulas, tables and inputs; what is said there is for people to compare."""
    assert {page.stem for page in (PAGES / path.stem).glob("*.md")} == LANGUAGES
    for language in sorted(LANGUAGES):
        assert shape(PAGES / path.stem / f"{language}.md") == shape(path), language


def shape(path: Path) -> dict[str, object]:
    lines = path.read_text("utf-8").splitlines()
    return {
        "headings": [line.partition(" ")[0] for line in lines if line.startswith("#")],
        "formulas": sum(line.startswith("    ") for line in lines),
        "points": sum(line.startswith("- ") for line in lines),
        "rows": sum(line.startswith("|") for line in lines),
        "inputs": [re.findall(r"\*\*(\w+)", line.split("|")[1]) for line in lines if line.startswith("| **")],
    }


def test_the_readme_stays_short() -> None:
    assert len(README.read_text("utf-8").split()) < WORDS


@every_document
def test_the_documents_use_the_words_agreed_on(path: Path) -> None:
    assert retired(path) == []


def test_the_english_labels_use_the_words_agreed_on() -> None:
    assert [found for path in sorted((ROOT / "locales" / "en").glob("*.json")) for found in retired(path)] == []


def test_the_code_uses_the_words_agreed_on() -> None:
    """All that users and newcomers read under nodes/ and js/, the title of a cited paper excepted."""
    files = [path for pattern in ("nodes/**/*.py", "js/**/*.js", "js/**/*.md") for path in sorted(ROOT.glob(pattern))]
    assert len(files) > 60
    assert {line for path in files for line in retired(path)} == CITED


def test_every_gesture_names_a_test_in_the_browser() -> None:
    rows = [
        line for line in (ROOT / "tests" / "README.md").read_text(encoding="utf-8").splitlines() if "`test_" in line
    ]
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "browser").glob("test_*.py"))
    named = [re.findall(r"`(test_\w+)`", row) for row in rows]
    assert len(rows) > 30
    assert all(len(tests) == 1 and f"def {tests[0]}(" in source for tests in named)

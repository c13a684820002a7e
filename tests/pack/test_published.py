"""What goes to the Comfy registry: packed and checked by comfy-cli, small, complete, and free of what the registry's scan flags."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest
import tomllib
import yaml
from PIL import Image
from support import published, registry_scan

ROOT = published.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
COMFY = PROJECT["tool"]["comfy"]
REPOSITORY = PROJECT["project"]["urls"]["Repository"]

MOST = 900_000  # bytes of the archive
AT_THE_TOP = {
    *("__init__.py", "nodes", "js", "locales", "prompts"),
    *("pyproject.toml", "requirements.txt", "README.md", "CHANGELOG.md", "LICENSE"),
}
SERVED = {"workflows", "example_workflows", "subgraphs"}  # by ComfyUI, where a pack has them
KINDS = {".py", ".js", ".json", ".md", ".jpg", ".png", ".toml", ".txt", ".tsv", ""}


@pytest.fixture(scope="module")
def contents(archive: Path) -> dict[str, bytes]:
    """The archive's files by name."""
    with zipfile.ZipFile(archive) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def test_the_archive_is_small(archive: Path, contents: dict, record_property: Callable[[str, object], None]) -> None:
    size = archive.stat().st_size
    record_property("figure", f"The published archive: {size / 1000:.0f} kB, {len(contents)} files.")
    assert size < MOST


def test_the_archive_holds_what_runs_and_nothing_else(contents: dict[str, bytes]) -> None:
    """No demo, no tests, no benchmarks, no weights: the folders that ComfyUI uses, whole, and six files of words."""
    assert AT_THE_TOP <= {name.split("/")[0] for name in contents} <= AT_THE_TOP | SERVED
    assert {PurePosixPath(name).suffix for name in contents} <= KINDS
    here = {name for name in published.files() if name.split("/")[0] in AT_THE_TOP | SERVED}
    assert set(contents) == here
    assert all(contents[name] == (ROOT / name).read_bytes() for name in here)


def test_comfy_node_validate_has_nothing_to_say(checkout: Path) -> None:
    said = published.comfy("validate", checkout=checkout)
    assert "All validation checks passed successfully" in said
    assert "arning" not in said and "rror" not in said, said


def test_comfy_node_validate_would_say_it(checkout: Path) -> None:
    flagged = checkout / "flagged.py"
    flagged.write_text("import os; exec(os.sep)\n", encoding="utf-8")
    try:
        assert "S102" in published.comfy("validate", checkout=checkout)
    finally:
        flagged.unlink()


def _scanned(contents: dict[str, bytes]) -> Iterator[str]:
    for name, data in contents.items():
        scan = {".py": registry_scan.python, ".js": registry_scan.javascript}.get(PurePosixPath(name).suffix)
        yield from (f"{name}: {found}" for found in (scan(data.decode()) if scan else []))


def test_nothing_that_the_registry_flags_is_published(contents: dict[str, bytes]) -> None:
    assert list(_scanned(contents)) == []


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.py", "from urllib.request import urlopen", "network"),
        ("a.py", "def f():\n    import requests", "network"),
        ("a.py", "import subprocess as s", "programs"),
        ("a.py", "import os\nos.system('ls')", "programs"),
        ("a.py", "import os\nx = os.environ['HOME']", "environment"),
        ("a.py", "from os import getenv", "environment"),
        ("a.py", "eval('1')", "code"),
        ("a.py", "import importlib\n", "code"),
        ("a.js", 'fetch("https://example.org/x")', "network"),
        ("a.js", 'import x from "//example.org/x.js"', "network"),
        ("a.js", 'new Function("x")', "code"),
    ],
)
def test_the_scan_finds_each_class(name: str, text: str, kind: str) -> None:
    (found,) = {line.split(": ")[1] for line in _scanned({name: text.encode()})}
    assert found == kind


def _file(url: str) -> Path:
    """The file of this repository that a raw address on GitHub shows."""
    owner = REPOSITORY.removeprefix("https://github.com/")
    return ROOT / url.removeprefix(f"https://raw.githubusercontent.com/{owner}/main/")


def test_icon_and_banner_have_the_registry_s_sizes() -> None:
    with Image.open(_file(COMFY["Icon"])) as icon, Image.open(_file(COMFY["Banner"])) as banner:
        assert icon.size == (400, 400)
        assert banner.width * 9 == banner.height * 21


def test_the_project_says_what_the_registry_shows() -> None:
    project = PROJECT["project"]
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", project["name"]) and "comfyui" not in project["name"]
    assert 20 < len(project["description"]) < 200
    assert project["urls"]["Documentation"].startswith(REPOSITORY)
    assert project["urls"]["Bug Tracker"] == f"{REPOSITORY}/issues"
    assert "Operating System :: OS Independent" in project["classifiers"]
    assert COMFY["DisplayName"] and COMFY["PublisherId"]


def test_one_version_is_named_everywhere() -> None:
    """What is released: semantic, cut in the changelog with its date, and the one to cite."""
    version = PROJECT["project"]["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)$", changes, re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert released[0] == (version, str(citation["date-released"]))
    assert citation["version"] == version


def test_what_the_owner_has_to_set_is_marked() -> None:
    """The one thing in the repository that nobody else can know."""
    lines = (ROOT / "pyproject.toml").read_text("utf-8").splitlines()
    assert [line.split(" = ")[0] for line in lines if "TO SET BY THE OWNER" in line] == ["PublisherId"]

"""The files under .github/: they parse, name what exists, and publish nothing that was not tested."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import published

GITHUB = published.ROOT / ".github"
FILES = sorted(GITHUB.rglob("*.yml"))
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
FIELDS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


def _name(path: Path) -> str:
    return path.name


def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text("utf-8"))


def _steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in _read(path)["jobs"].values() for step in job.get("steps", [])]


def test_everything_is_here() -> None:
    assert [path.stem for path in WORKFLOWS] == ["publish", "tests"] and [path.stem for path in FORMS] == [
        "bug",
        "feature",
    ]
    assert all((GITHUB / name).is_file() for name in ("CONTRIBUTING.md", "SECURITY.md", "ISSUE_TEMPLATE/config.yml"))


@pytest.mark.parametrize("path", [*FILES, published.ROOT / "CITATION.cff"], ids=_name)
def test_it_parses_to_a_mapping(path: Path) -> None:
    assert isinstance(_read(path), dict)


@pytest.mark.parametrize("path", WORKFLOWS, ids=_name)
def test_every_job_may_read_only_and_ends(path: Path) -> None:
    workflow = _read(path)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "uses" in job or (job["runs-on"], job["timeout-minutes"] <= 120) == ("ubuntu-latest", True)


@pytest.mark.parametrize("path", WORKFLOWS, ids=_name)
def test_every_step_runs_something_that_exists(path: Path) -> None:
    """Actions at a major version, targets of the Makefile, and packages that the environment's list pins."""
    targets = re.findall(r"^([a-z-]+):", (published.ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    pinned = re.findall(r"^([\w-]+)==", (published.ROOT / "demo" / "environment.txt").read_text("utf-8"), re.MULTILINE)
    for step in _steps(path):
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])
        else:
            assert set(re.findall(r"^make ([\w-]+)", step["run"], re.MULTILINE)) <= set(targets)
            for names in re.findall(r"grep -E '\^\((.+)\)=='", step["run"]):
                assert set(names.split("|")) <= set(pinned)


def test_the_tests_run_against_the_oldest_and_the_newest_comfyui() -> None:
    jobs = _read(GITHUB / "workflows" / "tests.yml")["jobs"]
    assert all("make test" in [step.get("run") for step in job["steps"]] for job in jobs.values())
    assert "COMFYUI_PATH" not in jobs["oldest"].get("env", {}), "the one that the project sets up itself"
    assert "Comfy-Org/ComfyUI" in str(jobs["newest"]["steps"])


def test_only_a_tag_that_passed_the_tests_is_published() -> None:
    workflow = _read(GITHUB / "workflows" / "publish.yml")
    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads "on" as true
    jobs = workflow["jobs"]
    assert jobs["publish"]["needs"] == "tests" and jobs["tests"]["uses"] == "./.github/workflows/tests.yml"
    assert "workflow_call" in _read(GITHUB / "workflows" / "tests.yml")[True]
    check, publish = jobs["publish"]["steps"][-2:]
    assert publish["uses"] == "Comfy-Org/publish-node-action@v1"
    assert publish["with"] == {"personal_access_token": "${{ secrets.REGISTRY_ACCESS_TOKEN }}"}
    assert "GITHUB_REF_NAME#v" in check["run"] and "pyproject.toml" in check["run"]


@pytest.mark.parametrize("path", FORMS, ids=_name)
def test_a_form_is_one_that_github_shows(path: Path) -> None:
    form = _read(path)
    assert form["name"] and form["description"] and form["body"]
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids))
    for field in form["body"]:
        assert field["type"] in FIELDS and re.fullmatch(r"[\w-]+", field["id"]) and field["attributes"]["label"]
        assert bool(field["attributes"].get("options")) == (field["type"] in ("dropdown", "checkboxes"))
    assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_contributing_shows_every_room_in_ten_lines() -> None:
    text = (GITHUB / "CONTRIBUTING.md").read_text("utf-8")
    assert len(re.findall(r"^\d+\. ", text, re.MULTILINE)) == 10
    rooms = {path.parent.name for path in (published.ROOT / "nodes").glob("*/__init__.py")}
    assert rooms and rooms <= set(re.findall(r"`nodes/(\w+)/`", text))

"""One ComfyUI for the tests of workflows as recipes, with the small models in place."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "demo"))

import comfyui

from . import checkpoints


@pytest.fixture(scope="session")
def recipe_server() -> Iterator[comfyui.Server]:
    base = checkpoints.installed()
    with comfyui.Server(base, log=base / "recipe.log") as started:
        yield started


@pytest.fixture(scope="session")
def classes(recipe_server: comfyui.Server) -> dict[str, Any]:
    """What that ComfyUI says of its nodes."""
    return recipe_server.get("/object_info")


@pytest.fixture
def load(tmp_path: Path, classes: dict[str, Any]) -> Callable[..., Any]:
    """The recipe of a prompt, or of a file."""
    from deradiff.evaluate import recipe

    def loaded(workflow: Any, **given: Any) -> recipe.Recipe:
        path = workflow if isinstance(workflow, Path) else tmp_path / "workflow.json"
        if not isinstance(workflow, Path):
            path.write_text(json.dumps(workflow), "utf-8")
        return recipe.load(path, **{"scorers": ["colourfulness"], "object_info": classes, **given})

    return loaded

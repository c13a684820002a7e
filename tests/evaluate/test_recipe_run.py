"""A recipe in a real ComfyUI: the images are those of the workflow queued by hand, the baseline is Lambda Sweep's, and the scores come back."""

from __future__ import annotations

import io
import json
from typing import Any

import comfyui
import numpy as np
import pytest
from deradiff.evaluate import recipe
from deradiff.evaluate.graph import Prompt
from deradiff.evaluate.recipe import Reading, Recipe
from deradiff.evaluate.rows import INTERPOLATED, REALIGNED, Row
from graph import to_prompt
from PIL import Image

WORKFLOW = comfyui.DEMO / "Lambda (demo pair).json"
TEXT = "a red circle on a white background"
SMALL = ["7.steps=2", "6.batch_size=2"]
STRENGTH = 0.3
SAVED = "9"


@pytest.fixture(scope="module")
def found(classes: dict[str, Any]) -> Recipe:
    given = {"scorers": ["colourfulness"], "held_out": ["PickScore_v1"]}
    return recipe.load(WORKFLOW, set_=SMALL, object_info=classes, baseline=True, **given)


def run(server: comfyui.Server, prompt: Prompt) -> tuple[list[np.ndarray], dict[str, Any]]:
    """The images that were saved, and what the history says."""
    (saved,) = server.run([prompt], quiet=True)
    (newest,) = server.get("/history?max_items=1").values()
    pixels = [np.asarray(Image.open(io.BytesIO(each.data))) for each in saved if each.node == SAVED]
    return pixels, newest["outputs"]


def row(strength: float, method: str = REALIGNED) -> Row:
    return Row(0, TEXT, "", "", 5, strength, method)


def by_hand(classes: dict[str, Any]) -> Prompt:
    prompt = to_prompt(json.loads(WORKFLOW.read_text("utf-8")), classes)
    prompt["7"]["inputs"] |= {"steps": 2, "seed": 5}
    prompt["6"]["inputs"]["batch_size"] = 2
    prompt["4"]["inputs"]["text"] = TEXT
    return prompt


def test_images_scores_and_kl(found: Recipe, recipe_server: comfyui.Server, classes: dict[str, Any]) -> None:
    images, outputs = run(recipe_server, found.prompt(row(STRENGTH)))
    reading = found.read(outputs)
    assert isinstance(reading, Reading) and len(reading.images) == len(images) == 2
    assert reading.scores.keys() == {"colourfulness", "PickScore_v1"} and all(map(np.isfinite, reading.scores.values()))
    assert reading.kl > 0
    hand = by_hand(classes)
    hand["7"]["inputs"]["lambda"] = STRENGTH
    assert np.array_equal(run(recipe_server, hand)[0], images)
    for _ in range(2):  # from ComfyUI's cache, in part and altogether
        again = found.read(run(recipe_server, found.prompt(row(STRENGTH)))[1])
        assert (again.scores, again.kl) == (reading.scores, reading.kl)


def test_the_baseline_is_that_of_lambda_sweep(
    found: Recipe, recipe_server: comfyui.Server, classes: dict[str, Any]
) -> None:
    sweep = by_hand(classes)
    inputs = {name: value for name, value in sweep["7"]["inputs"].items() if name != "lambda"}
    lambdas = {"lambdas": str(STRENGTH), "baseline": True, "measure_kl": False}
    sweep["7"] = {"class_type": "DeRaDiffLambdaSweep", "inputs": {**inputs, **lambdas}}
    wanted, _ = run(recipe_server, sweep)
    given = [run(recipe_server, found.prompt(row(STRENGTH, method))) for method in (REALIGNED, INTERPOLATED)]
    assert np.array_equal([*given[0][0], *given[1][0]], wanted)
    assert not np.array_equal(given[0][0], given[1][0]), "two different models"
    reading = found.read(given[1][1])
    assert np.isnan(reading.kl) and np.isfinite(reading.scores["colourfulness"])

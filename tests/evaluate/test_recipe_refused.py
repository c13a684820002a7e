"""What is no recipe is refused before anything starts, in words that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfyui
import pytest
from deradiff.evaluate.rows import INTERPOLATED, Row
from support.recipes import Load, Prompt, node, simple

LAMBDA, CHOOSE = (comfyui.DEMO / f"{name} (demo pair).json" for name in ("Lambda", "Choose lambda"))


def _with(**inputs: Any) -> Prompt:
    workflow = simple(
        curve=node("DeRaDiffLambdaSchedule", curve="[[0, 1], [1, 1]]", interpolation="linear", start_percent=0.0, end_percent=1.0),
        number=node("PrimitiveFloat", value=0.5),
        mask=node("SolidMask", value=1.0, width=64, height=64),
        first=node("DeRaDiffRealign", reference=["pair", 0], aligned=["pair", 1], evaluation="exact", **{"lambda": 0.5}),
    )  # fmt: skip
    workflow["sampler"]["inputs"] |= inputs
    return workflow


@pytest.mark.parametrize(
    ("workflow", "set_", "said"),
    [
        (_with(schedule=["curve", 0]), [], "cannot follow a schedule"),
        (_with(mask=["mask", 0]), [], "cannot follow a mask"),
        (_with(reference=["first", 0]), ["sampler.lambda=lambda"], "a mixture of models"),
        (_with(**{"lambda": ["number", 0]}), ["number.value=lambda"], "number.value is no input of a realigning node"),
    ],
)
def test_a_baseline_that_there_is_not(workflow: Prompt, set_: list[str], said: str, load: Load) -> None:
    load(workflow, set_=set_)
    with pytest.raises(ValueError, match=said):
        load(workflow, set_=set_, baseline=True)


def test_a_baseline_outside_0_to_1(load: Load) -> None:
    with pytest.raises(ValueError, match=r"from 0 to 1, got 1\.5"):
        load(simple(), baseline=True).prompt(Row(0, "a", "", "", 1, 1.5, INTERPOLATED))


def _without(*names: str) -> Prompt:
    return {name: each for name, each in simple().items() if name not in names}


PLAIN = simple(sampler=node("KSampler", model=["pair", 0], seed=1, steps=2, cfg=5.0, sampler_name="euler", scheduler="normal", denoise=1.0, positive=["positive", 0], negative=["negative", 0], latent_image=["latent", 0]))  # fmt: skip
LISTED = simple(sizes=node("DeRaDiffPromptSet", source="typed below", prompts="a", n=0, seed=0, negative="", column=""), text=node("StringLength", string=["sizes", 2]), again=node("RebatchLatents", latents=["latent", 0], batch_size=1))  # fmt: skip
LISTED["sampler"]["inputs"]["latent_image"] = ["again", 0]


@pytest.mark.parametrize(
    ("workflow", "given", "said"),
    [
        (PLAIN, {}, "expected a node of this pack with an input lambda"),
        (CHOOSE, {"set_": ["11.rule=lambda"]}, "needs an input that takes a number"),
        (simple(), {"set_": ["sampler.positive=images"]}, "needs an input that takes the linked images"),
        (simple(), {"set_": ["sampler.steps=prompt"]}, "needs an input that takes a text"),
        (_without("save", "decode"), {}, "no image that it saves depends on lambda"),
        (_without("latent"), {}, "linked to node latent, which is not there"),
        (simple(decode=node("VAEDecodeOfAnotherPack", samples=["sampler", 0])), {}, "does not have the class of node decode"),
        (simple(), {"scorers": ["PickScroe"]}, "no 'PickScroe' in models/deradiff_scorers"),
        (simple(), {"scorers": ["c"]}, "may be c"),
        (simple(), {"scorers": ["closeness to lambda 0"]}, "cannot score rows one by one"),
        (simple(), {"scorers": []}, "at least one judge"),
        (simple(), {"held_out": ["colourfulness"]}, "named twice"),
        (simple(), {"set_": ["nine.text=prompt"]}, "no node 'nine'"),
        (simple(), {"set_": ["positive.words=prompt"]}, "has no input 'words'"),
        (simple(), {"set_": ["positive.text"]}, "expected NODE.input=VALUE"),
        (simple(spare=node("CLIPTextEncode", clip=["pair", 2], text="x")), {"set_": ["spare.text=prompt"]}, "cannot be the prompt"),
        (LISTED, {}, "again .*gives a list"),
        ([], {}, "holds no workflow"),
        ({}, {}, "holds no workflow"),
        ({"1": {"inputs": {}}}, {}, "holds no workflow"),
        ({"1": {"class_type": "KSampler"}}, {}, "has no inputs"),
        ({"nodes": [], "links": []}, {}, "holds no workflow"),
        ({"nodes": [{"id": 1}], "links": []}, {}, "not a workflow as ComfyUI's page saves it"),
    ],
)  # fmt: skip
def test_what_is_no_recipe_is_refused_before_anything_starts(workflow: Any, given: dict, said: str, load: Load) -> None:
    with pytest.raises(ValueError, match=said):
        load(workflow, **given)


def test_files_that_are_no_workflow(tmp_path: Path, load: Load) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        load(tmp_path / "nothing.json")
    broken = tmp_path / "broken.json"
    broken.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ValueError, match="is not a JSON file"):
        load(broken)
    with pytest.raises(ValueError, match="only a running ComfyUI can convert"):
        load(LAMBDA, object_info=None)

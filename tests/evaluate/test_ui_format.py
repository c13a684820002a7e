"""Workflows as the page saves them become the prompts that the page exports: every template, and what a page can do to a graph."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import comfyui
import pytest
from deradiff.evaluate import ui_format
from graph import to_prompt as flat

TEMPLATES = {path.stem: path for folder in (comfyui.SHIPPED, comfyui.DEMO) for path in sorted(folder.glob("*.json"))}
SAVED = json.loads((Path(__file__).parent / "saved" / "workflows.json").read_text("utf-8"))
LEFT = {  # what front end 1.32.9 alone leaves in the prompt of a subgraph that takes no part: nothing needs these nodes
    "bypassed subgraph, 1.32.9": ["ConditioningSetArea"],
    "muted subgraph, 1.32.9": ["PreviewImage"],
}
LOST = {
    "muted, 1.32.9": "lambda"
}  # there a widget that a muted node is linked to loses its value, in later ones it keeps it

Prompt = dict[str, dict[str, Any]]


def _bare(prompt: Prompt, classes: dict[str, Any]) -> Prompt:
    """Without titles and the widgets that the page adds by itself."""
    found = {}
    for name, node in prompt.items():
        known = {each for group in classes[node["class_type"]]["input"].values() for each in group}
        inputs = {each: value for each, value in node["inputs"].items() if each in known}
        found[name] = {"class_type": node["class_type"], "inputs": inputs}
    return found


def _lambda_workflow() -> dict[str, Any]:
    return json.loads(TEMPLATES["Lambda (demo pair)"].read_text("utf-8"))


def _node(workflow: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(node for node in workflow["nodes"] if node["type"] == kind)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_every_template_becomes_the_prompt_that_the_page_made_of_it(name: str, classes: dict[str, Any]) -> None:
    """demo/export_workflows.py compares the one of demo/graph.py with the page's own whenever it writes a template."""
    workflow = json.loads(TEMPLATES[name].read_text("utf-8"))
    assert _bare(ui_format.to_prompt(workflow, classes), classes) == flat(workflow, classes)


@pytest.mark.parametrize("name", sorted(SAVED))
def test_what_the_page_exports(name: str, classes: dict[str, Any]) -> None:
    ours = _bare(ui_format.to_prompt(SAVED[name]["workflow"], classes), classes)
    theirs = _bare(SAVED[name]["prompt"], classes)
    left = {node for node in theirs if theirs[node]["class_type"] in LEFT.get(name, ()) and node not in ours}
    assert {each: node for each, node in theirs.items() if each not in left} == {
        each: {**node, "inputs": {key: value for key, value in node["inputs"].items() if key != LOST.get(name)}}
        for each, node in ours.items()
    }


def test_titles_are_kept_for_whoever_must_choose(classes: dict[str, Any]) -> None:
    prompt = ui_format.to_prompt(_lambda_workflow(), classes)
    assert {node["_meta"]["title"] for node in prompt.values()} >= {"Positive prompt", "Negative prompt"}


def test_a_file_of_before_an_input_was_added_takes_its_default(classes: dict[str, Any]) -> None:
    workflow = _lambda_workflow()
    sampler = _node(workflow, "DeRaDiffKSampler")
    sampler["widgets_values"] = sampler["widgets_values"][:8]
    inputs = ui_format.to_prompt(workflow, classes)[str(sampler["id"])]["inputs"]
    assert (inputs["evaluation"], inputs["mask_feather"], inputs["reuse_tolerance"]) == ("exact", 0, 0.05)


def test_an_old_file_without_slots_for_widgets(classes: dict[str, Any]) -> None:
    """Before front end 1.16 the inputs held sockets alone."""
    workflow = _lambda_workflow()
    wanted = ui_format.to_prompt(workflow, classes)
    for node in workflow["nodes"]:
        node["inputs"] = [slot for slot in node["inputs"] if not slot.get("widget")]
    assert ui_format.to_prompt(workflow, classes) == wanted


def test_values_by_name(classes: dict[str, Any]) -> None:
    """As some packs save them."""
    workflow = _lambda_workflow()
    wanted = ui_format.to_prompt(workflow, classes)
    latent = _node(workflow, "EmptyLatentImage")
    latent["widgets_values"] = dict(zip(("width", "height", "batch_size"), latent["widgets_values"], strict=True))
    assert ui_format.to_prompt(workflow, classes) == wanted


def _unknown(workflow: dict[str, Any]) -> None:
    _node(workflow, "VAEDecode")["type"] = "GetNode"


def _group_node(workflow: dict[str, Any]) -> None:
    _node(workflow, "VAEDecode")["type"] = "workflow>mine"


def _slipped(workflow: dict[str, Any]) -> None:
    _node(workflow, "DeRaDiffKSampler")["widgets_values"].insert(0, "new")


def _circle(workflow: dict[str, Any]) -> None:
    decode = _node(workflow, "VAEDecode")
    decode["type"] = "Reroute"
    link = decode["outputs"][0]["links"][0]
    decode["inputs"] = [{"name": "", "type": "*", "link": link}]


def _no_such_link(workflow: dict[str, Any]) -> None:
    workflow["links"] = workflow["links"][1:]


def _endless(workflow: dict[str, Any]) -> None:
    inner = {**copy.deepcopy(_node(workflow, "VAEDecode")), "type": "endless"}
    graph = {"id": "endless", "nodes": [inner], "links": [], "inputs": [], "outputs": []}
    workflow["definitions"] = {"subgraphs": [graph]}
    workflow["nodes"].append({"id": 99, "type": "endless", "inputs": [], "outputs": []})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_unknown, "node 8 is a GetNode, which this ComfyUI does not have"),
        (_group_node, "workflow>mine"),
        (_slipped, "takes FLOAT, the file has 'new'"),
        (_circle, "round in a circle"),
        (_no_such_link, "not a workflow as ComfyUI's page saves it"),
        (_endless, "a subgraph that holds itself"),
        (lambda workflow: workflow["nodes"].append(7), "not a workflow"),
        (lambda workflow: workflow.update(links=[None]), "not a workflow"),
        (lambda workflow: workflow.update(definitions=[]), "not a workflow"),
        (lambda workflow: workflow["nodes"][3].update(inputs="x"), "not a workflow"),
    ],
)
def test_what_cannot_be_converted_is_refused_with_what_to_do(spoil: Any, said: str, classes: dict[str, Any]) -> None:
    workflow = _lambda_workflow()
    spoil(workflow)
    with pytest.raises(ValueError, match=said) as refusal:
        ui_format.to_prompt(workflow, classes)
    assert "Export (API)" in str(refusal.value)


def test_a_helper_of_the_page_that_is_linked_to_nothing_does_not_matter(classes: dict[str, Any]) -> None:
    workflow = _lambda_workflow()
    wanted = ui_format.to_prompt(workflow, classes)
    workflow["nodes"].append({"id": 99, "type": "Label (rgthree)", "inputs": [], "outputs": [{"links": None}]})
    assert ui_format.to_prompt(workflow, classes) == wanted

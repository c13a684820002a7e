"""The shipped workflows: well-formed, complete, documented, and each of them run by a real ComfyUI server."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import re
import sys
import urllib.request
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import checkpoints

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo"))

import comfyui  # noqa: E402
from graph import to_prompt  # noqa: E402

WORKFLOWS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((ROOT / "workflows").glob("*.json"))}
CONTRACT = json.loads((ROOT / "tests" / "nodes" / "contract.json").read_text("utf-8"))
NAMES = {
    "choose_lambda_demo",
    "choose_lambda_sdxl",
    "demo",
    "lambda_mask",
    "lambda_schedule",
    "realign_custom_sampler",
    "realign_img2img",
    "realign_sd15_dpo",
    "realign_sdxl_dpo_lora",
    "realign_two_rewards",
}
SMALL = {"width": 64, "height": 64, "batch_size": 1, "steps": 2, "start_at_step": 1, "lambdas": "0, 0.5"}

SHAPES = {"realign_img2img": (96, 96, 3), "lambda_mask": (64, 128, 3)}

every_workflow = pytest.mark.parametrize("name", sorted(WORKFLOWS))


def _note(workflow: dict[str, Any]) -> str:
    return next(node["widgets_values"][0] for node in workflow["nodes"] if node["type"] == "MarkdownNote")


def _files(node: dict[str, Any]) -> set[str]:
    values = node.get("widgets_values") or []
    return {value for value in values if isinstance(value, str) and re.fullmatch(r"[^\s]+\.safetensors", value)}


def test_every_workflow_is_here() -> None:
    assert WORKFLOWS.keys() == NAMES


@every_workflow
def test_is_in_the_saved_format_with_every_link_attached_at_both_ends(name: str) -> None:
    workflow = WORKFLOWS[name]
    assert workflow["version"] == 0.4
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for link, source, out, target, into, _ in workflow["links"]:
        assert link in nodes[source]["outputs"][out]["links"]
        assert nodes[target]["inputs"][into]["link"] == link
    for node in nodes.values():
        for slot in node["inputs"]:
            optional = slot.get("shape") == 7  # a hollow socket
            assert slot.get("widget") or slot["link"] is not None or optional, f"{node['type']}.{slot['name']}"


@every_workflow
def test_no_node_covers_another(name: str) -> None:
    title = 30
    boxes = [(*node["pos"], *node["size"]) for node in WORKFLOWS[name]["nodes"]]
    for (ax, ay, aw, ah), (bx, by, bw, bh) in itertools.combinations(boxes, 2):
        apart = ax + aw <= bx or bx + bw <= ax or ay + ah + title <= by or by + bh + title <= ay
        assert apart


@every_workflow
def test_every_node_but_the_note_stands_in_one_group(name: str) -> None:
    title = 30
    groups = [group["bounding"] for group in WORKFLOWS[name]["groups"]]
    for node in WORKFLOWS[name]["nodes"]:
        if node["type"] != "MarkdownNote":
            (x, y), (w, h) = node["pos"], node["size"]
            around = [
                1 for gx, gy, gw, gh in groups if gx <= x and gy <= y - title and gx + gw >= x + w and gy + gh >= y + h
            ]
            assert len(around) == 1, node["type"]


@every_workflow
def test_the_pack_s_nodes_were_saved_with_the_inputs_that_they_have_now(name: str) -> None:
    """Else they grow when the workflow is opened, over their neighbours and out of their groups."""
    for node in WORKFLOWS[name]["nodes"]:
        if node["type"] in CONTRACT:
            assert {slot["name"] for slot in node["inputs"]} == {
                item["id"] for item in CONTRACT[node["type"]]["inputs"]
            }


@every_workflow
def test_note_and_properties_say_where_each_file_comes_from(name: str) -> None:
    workflow = WORKFLOWS[name]
    assert len(_note(workflow)) > 200
    version = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)[0]
    for node in workflow["nodes"]:
        properties = node["properties"]
        if node["type"].startswith("DeRaDiff"):
            assert (properties["cnr_id"], properties["ver"]) == ("deradiff", version)
        public = {file for file in _files(node) if not file.startswith("deradiff_demo")}
        assert {model["name"] for model in properties.get("models", [])} == public
        for model in properties.get("models", []):
            assert re.fullmatch(r"https://huggingface\.co/[^/]+/[^/]+/resolve/main/.+\.safetensors", model["url"])
            assert f"{model['directory']}/{model['name']}" in checkpoints.FILES
            assert f"[{model['name']}]({model['url']}) in *models/{model['directory']}*" in _note(workflow)


@every_workflow
def test_has_a_thumbnail(name: str) -> None:
    path = ROOT / "workflows" / f"{name}.jpg"
    assert path.stat().st_size < 60_000
    with Image.open(path) as image:
        assert image.format == "JPEG" and image.width >= 600


def test_every_node_of_the_pack_has_a_place() -> None:
    from deradiff.nodes import DeRaDiffExtension

    nodes = {node.__name__ for node in asyncio.run(DeRaDiffExtension().get_node_list())}
    used = {node["type"] for workflow in WORKFLOWS.values() for node in workflow["nodes"]}
    assert nodes <= used


def test_converter_names_a_node_that_the_server_lacks() -> None:
    with pytest.raises(ValueError, match="no node KSampler"):
        to_prompt({"nodes": [{"id": 1, "type": "KSampler"}], "links": []}, {})


@pytest.fixture(scope="module")
def server() -> Iterator[comfyui.Server]:
    """A ComfyUI with this checkout installed and the small models in place. The models are kept between runs."""
    base = checkpoints.installed()
    with comfyui.Server(base, log=base / "comfyui.log") as started:
        yield started


def _smaller(prompt: comfyui.Prompt, kept: Collection[str] = ()) -> comfyui.Prompt:
    """The prompt at 64 x 64 pixels, one image, two steps; the inputs in `kept` as they are."""
    reduced = {}
    for key, node in prompt.items():
        inputs = {name: value if name in kept else SMALL.get(name, value) for name, value in node["inputs"].items()}
        reduced[key] = {**node, "inputs": inputs}
    return reduced


@every_workflow
def test_runs_on_a_real_server(name: str, server: comfyui.Server) -> None:
    kept = {"width", "height"} if name == "lambda_mask" else set()
    prompt = _smaller(to_prompt(WORKFLOWS[name], server.get("/object_info")), kept)
    (images,) = server.run([prompt], name, quiet=True)
    assert images, server.tail()
    for image in images:
        pixels = np.asarray(Image.open(io.BytesIO(image.data)))
        if "grid" not in image.name and "plot" not in image.name:
            assert pixels.shape == SHAPES.get(name, (64, 64, 3))
        assert pixels.std() > 1.0, "an image of one colour"


def test_is_in_the_template_browser_with_its_thumbnail(server: comfyui.Server) -> None:
    assert set(server.get("/workflow_templates")[comfyui.PACK]) == NAMES
    for name in NAMES:
        assert server.get(f"/api/workflow_templates/{comfyui.PACK}/{name}.json") == WORKFLOWS[name]
        with urllib.request.urlopen(f"{server.url}/api/workflow_templates/{comfyui.PACK}/{name}.jpg") as answer:
            assert answer.headers["Content-Type"] == "image/jpeg"


def test_labels_are_served_in_every_language(server: comfyui.Server) -> None:
    served = server.get("/i18n")
    files = sorted((ROOT / "locales").glob("*/nodeDefs.json"))
    assert {"en", "ja", "zh"} == served.keys() == {path.parent.name for path in files}
    for path in files:
        assert served[path.parent.name]["nodeDefs"] == json.loads(path.read_text("utf-8"))


def test_what_fails_is_said_with_the_node(server: comfyui.Server) -> None:
    prompt = to_prompt(WORKFLOWS["demo"], server.get("/object_info"))
    sampler = next(node for node in prompt.values() if node["class_type"] == "DeRaDiffKSampler")
    sampler["inputs"]["lambda"] = -1.0
    with pytest.raises(RuntimeError, match=r"DeRaDiffKSampler .*lambda"):
        server.run([prompt], quiet=True)

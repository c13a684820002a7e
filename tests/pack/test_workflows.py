"""The workflows and the blueprint: well-formed, complete, documented, and each of them run by a real ComfyUI server."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from support import checkpoints

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo"))

import comfyui  # noqa: E402
import export_workflows  # noqa: E402
import serve  # noqa: E402
from graph import to_prompt  # noqa: E402
from workflow_nodes import COLOURS  # noqa: E402

PATHS = {path.name.removesuffix(".json"): path for folder in export_workflows.PLANS for path in folder.glob("*.json")}
WORKFLOWS = {name: json.loads(path.read_text("utf-8")) for name, path in PATHS.items()}
BLUEPRINT = ROOT / "subgraphs" / "DPO KSampler.json"
CONTRACT = json.loads((ROOT / "tests" / "nodes" / "contract.json").read_text("utf-8"))
SHIPPED = {
    "Above 1 (SDXL, DPO LoRA)",
    "Choose lambda (SDXL, DPO LoRA)",
    "Contrastive (SD1.5, DPO against SPO)",
    "Custom sampling (SD1.5, DPO model)",
    "Find lambda (SDXL, DPO LoRA)",
    "Image to image (SD1.5, DPO model)",
    "Lambda (SD1.5, DPO model)",
    "Lambda (SDXL, DPO LoRA)",
    "Lambda over the image (SDXL, DPO LoRA)",
    "Lambda over time (SDXL, DPO LoRA)",
    "Prompt set (SD1.5, DPO model)",
    "Two rewards (SD1.5, DPO and SPO)",
}
DEMO = {
    "Beyond training (demo pair)",
    "Choose lambda (demo pair)",
    "Find lambda (demo pair)",
    "Lambda (demo pair)",
    "Lambda over the image (demo pair)",
    "Lambda over time (demo pair)",
}
EXPERIMENTAL = {
    "DeRaDiffLoadTimePredictor",
    "DeRaDiffTemporalAlignment",
    "DeRaDiffTimeGap",
    "DeRaDiffTrainTimePredictor",
}  # in a workflow of the demo pair, which has a predictor
SIDE = 64
SMALL = {"batch_size": 1, "steps": 2, "start_at_step": 1, "lambdas": "0, 0.5", "budget": 25, "n": 2}
SAID = "a circle"  # one text for all, so that what the last workflow encoded serves the next
LENGTHS = ("width", "height", "x")

SHAPES = {"Image to image (SD1.5, DPO model)": (96, 96, 3), "Lambda over the image (demo pair)": (64, 128, 3)}
SHOWN_ELSEWHERE = {"KL (nats)"}  # outputs that the node shows in its own foot line

every_workflow = pytest.mark.parametrize("name", sorted(WORKFLOWS))


def _note(workflow: dict[str, Any]) -> str:
    return next(node["widgets_values"][0] for node in workflow["nodes"] if node["type"] == "MarkdownNote")


def _files(node: dict[str, Any]) -> set[str]:
    values = node.get("widgets_values") or []
    named = {value for value in values if isinstance(value, str) and re.fullmatch(r"[^\s]+\.safetensors", value)}
    return {value.rpartition("/")[2] for value in named}  # a loader may list a file with its folder


def test_every_workflow_is_here() -> None:
    here = {
        folder: {path.name.removesuffix(".json") for path in folder.glob("*.json")} for folder in export_workflows.PLANS
    }
    assert here == {comfyui.SHIPPED: SHIPPED, comfyui.DEMO: DEMO}
    assert {folder: set(plans) for folder, plans in export_workflows.PLANS.items()} == here


def test_what_is_shipped_needs_nothing_that_cannot_be_downloaded() -> None:
    for name in SHIPPED:
        for node in WORKFLOWS[name]["nodes"]:
            assert not [file for file in _files(node) if "deradiff" in file], name


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
    assert not re.search(r"\bpictures?\b", _note(workflow)), "say image"
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
            downloaded = model["url"].rpartition("/")[2]
            renamed = "" if downloaded == model["name"] else f"renamed to **{model['name']}**, "
            assert f"[{downloaded}]({model['url']}), {renamed}in *models/{model['directory']}*" in _note(workflow)
    if "PickScore_v1" in str(workflow["nodes"]):
        files = re.findall(r"\[([\w.]+)\]\(https://huggingface\.co/[^)]+/resolve/main/\1\)", _note(workflow))
        assert {"config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json"} <= set(files)
    if "Qwen3-VL-2B-Instruct" in str(workflow["nodes"]):
        assert "(https://huggingface.co/Qwen/Qwen3-VL-2B-Instruct/tree/main)" in _note(workflow)


@every_workflow
def test_groups_have_the_colours_of_their_kinds(name: str) -> None:
    colours = {group["title"]: group["color"] for group in WORKFLOWS[name]["groups"]}
    assert set(colours.values()) <= set(COLOURS.values())
    planned = {
        group.title: group.colour
        for plans in export_workflows.PLANS.values()
        if name in plans
        for group in plans[name].groups()
    }
    assert colours == planned
    assert next(colours[title] for title in colours if title.startswith("1 ")) == COLOURS["models"]


@pytest.mark.parametrize("name", sorted(name for name in WORKFLOWS if name.startswith("Choose lambda")))
def test_the_choice_ends_in_a_final_image_and_no_output_leads_nowhere(name: str) -> None:
    workflow = WORKFLOWS[name]
    for node in workflow["nodes"]:
        loose = {slot["name"] for slot in node["outputs"] if not slot["links"]}
        assert loose <= SHOWN_ELSEWHERE, f"{node['type']}: {loose}"
    sources = {link[0]: link[1] for link in workflow["links"]}
    kinds = {node["id"]: node["type"] for node in workflow["nodes"]}
    final = {node["title"]: node for node in workflow["nodes"] if node["type"] == "DeRaDiffKSampler"}
    linked = {
        title: [kinds[sources[slot["link"]]] for slot in node["inputs"] if slot["name"] == "lambda" and slot["link"]]
        for title, node in final.items()
    }
    assert linked == {"Your choice": [], "The rule's choice": ["DeRaDiffPickLambda"]}


@pytest.mark.parametrize("name", sorted(name for name in WORKFLOWS if name.startswith("Find lambda")))
def test_the_search_shows_what_it_found_and_ends_in_a_final_image(name: str) -> None:
    workflow = WORKFLOWS[name]
    kinds = {node["id"]: node["type"] for node in workflow["nodes"]}
    (find,) = (node for node in workflow["nodes"] if node["type"] == "DeRaDiffFindLambda")
    shown = {slot["name"] for slot in find["outputs"] if slot["links"]}
    assert shown == {"lambda", "best", "plot", "table"}
    (lambda_,) = (slot for slot in find["outputs"] if slot["name"] == "lambda")
    targets = {link[0]: kinds[link[3]] for link in workflow["links"]}
    assert {targets[link] for link in lambda_["links"]} == {"DeRaDiffKSampler"}
    unconnected = {slot["name"] for slot in find["inputs"] if slot["link"] is None and not slot.get("widget")}
    assert unconnected == {"schedule"}


@every_workflow
def test_has_a_thumbnail(name: str) -> None:
    path = PATHS[name].with_name(f"{name}.jpg")
    assert path.stat().st_size < 60_000
    with Image.open(path) as image:
        assert image.format == "JPEG" and image.width == image.height >= 400
        assert np.asarray(image).mean() > 100, "a result, not a dark page"


def test_every_node_of_the_pack_has_a_place() -> None:
    from deradiff.nodes import DeRaDiffExtension

    nodes = {node.__name__ for node in asyncio.run(DeRaDiffExtension().get_node_list())}
    shipped, shown = (
        {node["type"] for name in names for node in WORKFLOWS[name]["nodes"]} for names in (SHIPPED, DEMO)
    )
    assert nodes - shipped == EXPERIMENTAL
    assert EXPERIMENTAL - shown == {"DeRaDiffTrainTimePredictor"}, "which needs images of one's own"


def test_converter_names_a_node_that_the_server_lacks() -> None:
    with pytest.raises(ValueError, match="no node KSampler"):
        to_prompt({"nodes": [{"id": 1, "type": "KSampler"}], "links": []}, {})


@pytest.fixture(scope="module")
def server() -> Iterator[comfyui.Server]:
    """A ComfyUI with this checkout installed and the small models in place. The models are kept between runs."""
    base = checkpoints.installed()
    serve.offer_workflows(base)
    with comfyui.Server(base, log=base / "comfyui.log") as started:
        yield started


def _smaller(prompt: comfyui.Prompt) -> comfyui.Prompt:
    """The prompt with images of SIDE pixels, one of them, in two steps, and one text."""
    tall = max(node["inputs"].get("height", SIDE) for node in prompt.values())
    reduced = {}
    for key, node in prompt.items():
        own = node["inputs"].get("height", tall) if node["class_type"] == "EmptyLatentImage" else tall
        lengths = {name: node["inputs"][name] * SIDE // own for name in LENGTHS if name in node["inputs"]}
        small = {name: value for name, value in SMALL.items() if name in node["inputs"]}
        typed = node["class_type"] == "CLIPTextEncode" and isinstance(node["inputs"]["text"], str)
        small |= {"text": SAID} if typed else {}
        reduced[key] = {**node, "inputs": {**node["inputs"], **small, **lengths}}
    return reduced


@pytest.mark.parametrize("name", sorted(WORKFLOWS, key=lambda name: (name[name.find("(") :], name)))  # by model
def test_runs_on_a_real_server(name: str, server: comfyui.Server) -> None:
    prompt = _smaller(to_prompt(WORKFLOWS[name], server.get("/object_info")))
    (images,) = server.run([prompt], name, quiet=True)
    assert images, server.tail()
    for image in images:
        pixels = np.asarray(Image.open(io.BytesIO(image.data)))
        if "grid" not in image.name and "plot" not in image.name:
            assert pixels.shape == SHAPES.get(name, (SIDE, SIDE, 3))
        assert pixels.std() > 1.0, "an image of one colour"


def test_is_in_the_template_browser_with_its_thumbnail(server: comfyui.Server) -> None:
    """The demo pair's only where `make serve` has put them, under a name of their own."""
    listed = server.get("/workflow_templates")
    for pack, names in ((comfyui.PACK, SHIPPED), (serve.TEMPLATES, DEMO)):
        assert set(listed[pack]) == names
        for name in names:
            place = f"/api/workflow_templates/{pack}/{quote(name)}"
            assert server.get(f"{place}.json") == WORKFLOWS[name]
            with urllib.request.urlopen(f"{server.url}{place}.jpg") as answer:
                assert answer.headers["Content-Type"] == "image/jpeg"


def test_the_blueprint_is_listed_and_served(server: comfyui.Server) -> None:
    ours = {
        number: entry
        for number, entry in server.get("/global_subgraphs").items()
        if entry["info"]["node_pack"] == f"custom_nodes.{comfyui.PACK}"
    }
    ((number, entry),) = ours.items()
    assert entry["name"] == BLUEPRINT.stem
    saved = json.loads(server.get(f"/global_subgraphs/{number}")["data"])
    assert saved == json.loads(BLUEPRINT.read_text("ascii")), "ComfyUI 0.3.75 opens it in the system's encoding"
    (host,), (inner,) = saved["nodes"], saved["definitions"]["subgraphs"]
    assert host["type"] == inner["id"] and saved["links"] == []
    assert [node["type"] for node in inner["nodes"]] == ["DeRaDiffLoadLoraPair", "DeRaDiffKSampler"]


def test_labels_are_served_in_every_language(server: comfyui.Server) -> None:
    served = server.get("/i18n")
    files = sorted((ROOT / "locales").glob("*/nodeDefs.json"))
    assert {"en", "ja", "zh"} == served.keys() == {path.parent.name for path in files}
    for path in files:
        assert served[path.parent.name]["nodeDefs"] == json.loads(path.read_text("utf-8"))


def test_what_fails_is_said_with_the_node(server: comfyui.Server) -> None:
    prompt = to_prompt(WORKFLOWS["Lambda (demo pair)"], server.get("/object_info"))
    sampler = next(node for node in prompt.values() if node["class_type"] == "DeRaDiffKSampler")
    sampler["inputs"]["lambda"] = -4.0
    with pytest.raises(RuntimeError, match=r"DeRaDiffKSampler .*lambda"):
        server.run([prompt], quiet=True)

"""The public contract of every node, against a snapshot, ComfyUI's own samplers, the help pages and the labels.
Run as a script to write contract.json anew.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import conftest
import folder_paths
import pytest
from comfy.samplers import KSampler
from comfy_api.latest import io
from deradiff.nodes import find_lambda
from deradiff.nodes.inputs import realigned

import nodes as core_nodes

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = Path(__file__).with_name("contract.json")
LABELS = ROOT / "locales" / "en" / "nodeDefs.json"
REGENERATE = "If this change is meant, write the snapshot anew by `PYTHONPATH=tests python tests/nodes/test_contract.py` in the environment of `make env`."
NODE_IDS = [
    "DeRaDiffLoadCheckpointPair",
    "DeRaDiffLoadDiffusionPair",
    "DeRaDiffLoadLoraPair",
    "DeRaDiffGuard",
    "DeRaDiffRealign",
    "DeRaDiffLambdaFromBeta",
    "DeRaDiffLambdaSchedule",
    "DeRaDiffKSampler",
    "DeRaDiffKSamplerAdvanced",
    "DeRaDiffLoadScorer",
    "DeRaDiffScoreImages",
    "DeRaDiffPickLambda",
    "DeRaDiffSweepViewer",
    "DeRaDiffLambdaSweep",
    "DeRaDiffSweepGrid",
    "DeRaDiffPromptSet",
    "DeRaDiffFindLambda",
    "DeRaDiffTrainTimePredictor",
    "DeRaDiffLoadTimePredictor",
    "DeRaDiffTemporalAlignment",
    "DeRaDiffTimeGap",
]
OPTIONS_THAT_COUNT = ("default", "min", "max", "step", "round", "control_after_generate", "forceInput", "widgetType")
APPENDED = ["evaluation", "schedule", "mask", "mask_feather"]  # the samplers' own inputs, in the order they came
CORE_CURVE = "core_curve"  # an input only where ComfyUI has curves of its own
FOLDERS = ("checkpoints", "diffusion_models", "loras", "deradiff_scorers", "deradiff_time_predictors")

Spec = tuple[str, dict]


def _classes() -> dict[str, type[io.ComfyNode]]:
    """Every node by its class name, as ComfyUI is given them."""
    from deradiff import comfy_entrypoint

    async def collect() -> list[type[io.ComfyNode]]:
        return await (await comfy_entrypoint()).get_node_list()

    return {node.__name__: node for node in asyncio.run(collect())}


NODES = _classes()


def _wire(spec: tuple) -> Spec:
    """(type, options) of an input as the front end gets it; a V1 list of choices is a COMBO with these options."""
    kind, options = spec[0], dict(spec[1]) if len(spec) > 1 else {}
    return ("COMBO", {**options, "options": kind}) if isinstance(kind, list) else (kind, options)


def _inputs(node: type) -> dict[str, Spec]:
    types = node.INPUT_TYPES()
    found = {id_: _wire(spec) for group in ("required", "optional") for id_, spec in types.get(group, {}).items()}
    found.pop(CORE_CURVE, None)
    return found


def _choices(options: list[str]) -> list[str] | str:
    """A combo's choices; by name where this ComfyUI or the user's files decide them."""
    named = {"samplers": KSampler.SAMPLERS, "schedulers": KSampler.SCHEDULERS}
    named |= {f"files of {folder}": folder_paths.get_filename_list(folder) for folder in FOLDERS}
    named["files of checkpoints and diffusion_models"] = [
        *named["files of checkpoints"],
        *(f"diffusion_models/{name}" for name in named["files of diffusion_models"]),
    ]
    return next((name for name, known in named.items() if options == list(known)), options)


def _described(id_: str, spec: Spec, optional: bool) -> dict[str, object]:
    kind, options = spec
    described: dict[str, object] = {"id": id_, "type": kind, "optional": optional}
    described |= {key: options[key] for key in OPTIONS_THAT_COUNT if options.get(key) is not None}
    return described | ({"options": _choices(options["options"])} if "options" in options else {})


def contract() -> dict[str, dict]:
    """What graphs, saved workflows and API prompts rely on, of every node."""
    found = {}
    for id_, node in NODES.items():
        schema = node.GET_SCHEMA()
        required = node.INPUT_TYPES().get("required", {})
        found[id_] = {
            "category": schema.category,
            "display_name": schema.display_name,
            "inputs": [_described(name, spec, name not in required) for name, spec in _inputs(node).items()],
            "outputs": [{"type": out.get_io_type(), "name": out.display_name} for out in schema.outputs],
            "output_node": bool(schema.is_output_node),
        }
    return found


@pytest.fixture(autouse=True)
def _one_file_per_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _give_each_folder_a_file(tmp_path, monkeypatch)


def _give_each_folder_a_file(root: Path, patch: pytest.MonkeyPatch) -> None:
    """Whatever models are installed, each folder lists one file with a name of its own."""
    for name in FOLDERS:
        (root / name).mkdir()
        (root / name / f"of_{name}.safetensors").touch()
        patch.setitem(folder_paths.folder_names_and_paths, name, ([str(root / name)], {".safetensors"}))


every_node = pytest.mark.parametrize("node", NODES.values(), ids=NODES)


def test_the_nodes_are_exactly_those_of_the_design() -> None:
    assert sorted(NODES) == sorted(NODE_IDS)


def test_the_contract_is_the_snapshot() -> None:
    assert contract() == json.loads(SNAPSHOT.read_text(encoding="utf-8")), REGENERATE


@every_node
def test_class_name_is_the_node_id(node: type) -> None:
    """ComfyUI-Manager finds nodes by either."""
    schema = node.GET_SCHEMA()
    assert schema.node_id == node.__name__
    source = inspect.getsource(node)
    assert f'node_id="{node.__name__}"' in source
    assert schema.category == "DeRaDiff" or schema.category.startswith("DeRaDiff/")


@every_node
def test_input_ids_are_the_parameters_of_execute(node: type) -> None:
    ids = list(_inputs(node))
    named, takes_more = _parameters(node.execute)
    if node is NODES["DeRaDiffFindLambda"]:  # what takes no list goes to _found(), and the lists are made into prompts
        rest, takes_more = _parameters(find_lambda._found)
        assert not takes_more and "prompts" in rest
        named, ids = sorted({*named, *rest} - {"prompts"}), sorted(ids)
    if takes_more:  # the rest goes to realigned(), lambda among it, which is no name in Python
        rest, lambda_too = _parameters(realigned)
        named += [name for name in rest if name not in named]
        assert lambda_too and "lambda" in ids
    assert [id_ for id_ in named if id_ != CORE_CURVE] == [id_ for id_ in ids if id_ != "lambda"]


def _parameters(function: Callable) -> tuple[list[str], bool]:
    """Their names, and whether any other is taken."""
    parameters = inspect.signature(function).parameters.values()
    more = inspect.Parameter.VAR_KEYWORD
    return [p.name for p in parameters if p.kind is not more], any(p.kind is more for p in parameters)


@every_node
def test_inputs_and_outputs_never_share_an_id(node: type) -> None:
    outputs = [output.id for output in node.GET_SCHEMA().outputs]
    assert len(set(outputs)) == len(outputs) and not set(outputs) & set(_inputs(node))


@pytest.mark.parametrize("id_", ["DeRaDiffRealign", "DeRaDiffKSampler", "DeRaDiffKSamplerAdvanced"])
def test_lambda_is_the_same_everywhere(id_: str) -> None:
    kind, options = _inputs(NODES[id_])["lambda"]
    assert kind == "FLOAT"
    assert {key: options.get(key) for key in ("default", "min", "max", "step")} == {
        "default": 0.5,
        "min": -3.0,
        "max": 3.0,
        "step": 0.01,
    }
    assert list(_inputs(NODES[id_]))[:3] == ["reference", "aligned", "lambda"]
    assert _inputs(NODES[id_])["evaluation"][1]["options"][0] == "exact"


@every_node
def test_everything_is_explained(node: type) -> None:
    schema = node.GET_SCHEMA()
    assert schema.display_name.endswith(" (DeRaDiff)") and len(schema.description) > 40
    for id_, (_, options) in _inputs(node).items():
        assert len(options.get("tooltip", "")) > 15 and options["tooltip"].endswith("."), id_
    for output in schema.outputs:
        assert output.display_name and len(output.tooltip) > 10 and output.tooltip.endswith("."), output.id


def _sentences(text: str) -> int:
    """A full stop, ? or ! before a space or the end counts; the dots of a list that goes on (DPO, KTO ...) do not."""
    return len(re.findall(r"(?<![ .])[.!?](?=\s|$)", text))


def test_sentences_are_counted() -> None:
    assert [_sentences(text) for text in ("0.5 of it.", "One (PAG ...) here. Two 0..1 x 5.", "One. two. Three?")] == [
        1,
        2,
        3,
    ]


@every_node
def test_no_tooltip_has_more_than_two_sentences_and_no_description_more_than_three(node: type) -> None:
    schema = node.GET_SCHEMA()
    tooltips = {name: options["tooltip"] for name, (_, options) in _inputs(node).items()}
    tooltips |= {output.id: output.tooltip for output in schema.outputs}
    assert {name: text for name, text in tooltips.items() if _sentences(text) > 2} == {}
    assert _sentences(schema.description) <= 3


def _parity() -> Iterator[tuple[str, str, type]]:
    for id_, core in (
        ("DeRaDiffKSampler", core_nodes.KSampler),
        ("DeRaDiffKSamplerAdvanced", core_nodes.KSamplerAdvanced),
    ):
        for name in _inputs(core):
            if name != "model":
                yield id_, name, core


@pytest.mark.parametrize(("id_", "name", "core"), _parity())
def test_samplers_have_core_s_inputs(id_: str, name: str, core: type) -> None:
    """Type, default, range, choices and first choice of each input, so that values can be carried over."""
    (kind, ours), (core_kind, theirs) = _inputs(NODES[id_])[name], _inputs(core)[name]
    assert kind == core_kind
    counted = (*OPTIONS_THAT_COUNT, "options")
    assert {k: ours[k] for k in counted if ours.get(k)} == {k: theirs[k] for k in counted if theirs.get(k)}


@pytest.mark.parametrize(
    ("id_", "core"), [("DeRaDiffKSampler", "KSampler"), ("DeRaDiffKSamplerAdvanced", "KSamplerAdvanced")]
)
def test_samplers_have_core_s_order_and_what_is_new_comes_last(id_: str, core: str) -> None:
    """The pair in place of the model, core's inputs as core has them, then ours. Saved values count by place, so ours only grow at the end."""
    theirs = [name for name in _inputs(getattr(core_nodes, core)) if name != "model"]
    ours, known = list(_inputs(NODES[id_])), ["reference", "aligned", "lambda", *theirs, *APPENDED]
    assert ours[: len(known)] == known
    assert not set(ours[len(known) :]) & set(known)


@every_node
def test_every_node_has_a_help_page_about_each_input(node: type) -> None:
    page = (ROOT / "js" / "docs" / f"{node.__name__}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {node.GET_SCHEMA().display_name}\n")
    labels = json.loads(LABELS.read_text(encoding="utf-8"))[node.__name__]["inputs"]
    for id_ in _inputs(node):
        assert f"**{id_}**" in page or f"**{labels[id_]['name']}**" in page, id_
    assert all(heading in page for heading in ("## Inputs", "## Output", "essages"))


def test_no_help_page_is_left_over() -> None:
    assert {path.stem for path in (ROOT / "js" / "docs").glob("*.md")} == set(NODES)


def test_the_help_says_how_a_style_lora_reaches_both_models() -> None:
    page = (ROOT / "js" / "docs" / "DeRaDiffRealign.md").read_text(encoding="utf-8")
    section = page.partition("## A style LoRA on both models")[2].partition("\n## ")[0]
    for words in ("before *Load LoRA Pair*", "LoraLoaderModelOnly", "reference only"):
        assert words in section


def labels() -> dict[str, dict]:
    """nodeDefs.json with the texts of the schemas, and the names of inputs as they are kept there."""
    kept = json.loads(LABELS.read_text(encoding="utf-8"))
    found = {}
    for id_, node in NODES.items():
        schema, names = node.GET_SCHEMA(), kept.get(id_, {}).get("inputs", {})
        found[id_] = {
            "display_name": schema.display_name,
            "description": schema.description,
            "inputs": {
                name: {"name": names.get(name, {}).get("name", name.replace("_", " ")), "tooltip": options["tooltip"]}
                for name, (_, options) in _inputs(node).items()
            },
            "outputs": {
                str(place): {"name": output.display_name, "tooltip": output.tooltip}
                for place, output in enumerate(schema.outputs)
            },
        }
    return found


def test_every_node_input_and_output_has_its_label() -> None:
    """The front end shows these instead of the schemas' texts, so they must be the same texts."""
    assert json.loads(LABELS.read_text(encoding="utf-8")) == labels(), REGENERATE


@every_node
def test_the_lambda_is_labelled_with_its_letter(node: type) -> None:
    entry = json.loads(LABELS.read_text(encoding="utf-8"))[node.__name__]
    assert entry["inputs"].get("lambda", {"name": "lambda (λ)"})["name"] == "lambda (λ)"
    assert all(value["name"] for value in [*entry["inputs"].values(), *entry["outputs"].values()])


def test_labels_hold_none_of_the_signs_that_the_front_end_takes_for_syntax() -> None:
    """vue-i18n reads {name}, @:link and a | b as instructions."""
    texts = re.findall(r'": "(.*)"', LABELS.read_text(encoding="utf-8"))
    assert texts and not [text for text in texts if set("{}@|") & set(text)]


def _regenerate(root: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        _give_each_folder_a_file(root, patch)
        for path, content in ((SNAPSHOT, contract()), (LABELS, labels())):
            path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    from pack import test_locales  # reads the snapshot that was just written

    found = sorted(line for language in test_locales.LANGUAGES for line in test_locales.problems(language))
    sys.stdout.write("\n".join([*found, f"{len(found)} labels to add or remove in locales/", ""]))


if __name__ == "__main__":
    import tempfile

    assert conftest.ROOT == ROOT  # importing it started ComfyUI
    with tempfile.TemporaryDirectory() as folder:
        _regenerate(Path(folder))

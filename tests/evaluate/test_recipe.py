"""What of a workflow a row sets, and what its results say."""

from __future__ import annotations

from typing import Any

import comfyui
import pytest
from deradiff.evaluate.rows import INTERPOLATED, REALIGNED, Row
from deradiff.nodes import wires
from support.recipes import Load, Prompt, node, places, simple

TEMPLATES = {path.stem: path for folder in (comfyui.SHIPPED, comfyui.DEMO) for path in sorted(folder.glob("*.json"))}
ROW = Row(3, "a fox", "", "", 11, 0.7)


def test_what_a_row_sets(load: Load) -> None:
    found = load(simple(), held_out=["sharpness"])
    assert (found.judges, found.held_out) == (("colourfulness",), ("sharpness",))
    prompt = found.prompt(ROW)
    sampler = prompt["sampler"]["inputs"]
    assert (sampler["lambda"], sampler["seed"], prompt["positive"]["inputs"]["text"]) == (0.7, 11, "a fox")
    assert prompt["negative"]["inputs"]["text"] == "blurry", "the workflow's own where the row has none"
    judged = [each["inputs"] for each in prompt.values() if each["class_type"] == "DeRaDiffScoreImages"]
    assert [(each["images"], each["prompt"]) for each in judged] == [(["decode", 0], "a fox")] * 2
    other = found.prompt(Row(3, "a fox", "dark", "", 12, 0.0))
    assert other["negative"]["inputs"]["text"] == "dark"
    assert prompt["sampler"]["inputs"]["seed"] == 11, "one row's prompt is none of another's"


NAMED = {
    "Custom sampling (SD1.5, DPO model)": ([], ["5.lambda"], ["10.noise_seed"], ["6.text"], ["7.text"]),
    "Find lambda (demo pair)": ([], ["17.lambda"], ["17.seed"], ["14.text"], ["15.text"]),
    "Image to image (SD1.5, DPO model)": ([], ["7.lambda", "9.lambda"], ["7.seed", "9.noise_seed"], ["4.text"], ["5.text"]),
    "Lambda (SDXL, DPO LoRA)": ([], ["7.lambda"], ["7.seed"], ["4.text"], ["5.text"]),
    "Prompt set (SD1.5, DPO model)": ([], ["7.lambda"], ["7.seed"], ["4.text"], ["5.text"]),
    "Two rewards (SD1.5, DPO and SPO)": (["Realign: SPO.lambda=lambda"], ["6.lambda"], ["10.seed"], ["7.text"], ["8.text"]),
    "Choose lambda (demo pair)": (["Your choice.lambda=lambda"], ["20.lambda"], ["20.seed"], ["4.text"], ["5.text"]),
    "Lambda over time (demo pair)": (["15.lambda=lambda"], ["15.lambda"], ["15.seed"], ["4.text"], ["5.text"]),
    "Lambda over the image (demo pair)": (["16.images=images"], ["14.lambda"], ["14.seed"], ["4.text"], ["5.text"]),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_the_templates(name: str, load: Load) -> None:
    set_, lambdas, seeds, prompts, negatives = NAMED[name]
    if name == "Choose lambda (demo pair)":
        with pytest.raises(ValueError, match="2 nodes are called 'Your choice'"):
            load(TEMPLATES[name], set_=set_)
        set_ = ["20.lambda=lambda"]
    found = load(TEMPLATES[name], set_=set_)
    parts = found.parts
    assert (places(parts.lambdas), places(parts.seeds), places(parts.prompts), places(parts.negatives)) == (
        lambdas,
        seeds,
        prompts,
        negatives,
    )
    kinds = {each["class_type"] for each in found.prompt(ROW).values()}
    assert not kinds & {"DeRaDiffPromptSet", "DeRaDiffFindLambda", "DeRaDiffPickLambda", "DeRaDiffLambdaFromBeta"} - (
        {"DeRaDiffLambdaFromBeta"} if name.startswith("Two rewards") else set()
    )


@pytest.mark.parametrize(
    "name", [name for name in TEMPLATES if name.startswith(("Two", "Contrastive", "Choose", "Lambda over"))]
)
def test_a_template_with_several_lambdas_lists_them(name: str, load: Load) -> None:
    with pytest.raises(ValueError, match="the workflow has several") as refusal:
        load(TEMPLATES[name])
    assert str(refusal.value).count(".lambda  of ") >= 2


def test_what_the_images_do_not_need_is_left_out(load: Load) -> None:
    found = load(simple(other=node("EmptyLatentImage", width=8, height=8, batch_size=1), look=node("PreviewImage", images=["decode", 0])))  # fmt: skip
    assert {"other", "look"} & found.graph.keys() == set()


def test_frames_of_a_video_are_what_is_scored(load: Load) -> None:
    workflow = simple(
        video=node("CreateVideo", images=["decode", 0], fps=24.0),
        save=node("SaveVideo", video=["video", 0], filename_prefix="x", format="auto", codec="auto"),
    )
    found = load(workflow)
    assert (found.parts.output, found.parts.images) == ("save", ("decode", 0))


def test_values_are_set_once(load: Load) -> None:
    found = load(
        simple(), set_=["latent.width=128", "EmptyLatentImage.height=96", "negative.text=5", "sampler.cfg=2.5"]
    )
    latent = found.graph["latent"]["inputs"]
    assert (latent["width"], latent["height"]) == (128, 96)
    assert found.graph["negative"]["inputs"]["text"] == "5", "a text stays one"
    assert load(simple(), set_=['negative.text="prompt"']).graph["negative"]["inputs"]["text"] == "prompt"


def test_the_hash_is_of_what_makes_an_image_and_who_judges_it(load: Load) -> None:
    plain = load(simple()).hash
    other = simple()
    other["sampler"]["inputs"] |= {"lambda": 0.9, "seed": 8}
    other["positive"]["inputs"]["text"] = "a tree"
    other["save"]["_meta"] = {"title": "Mine"}
    assert load(other).hash == plain
    hashes = {
        plain,
        load(simple(), set_=["sampler.steps=3"]).hash,
        load(simple(), set_=["negative.text=dark"]).hash,
        load(simple(), scorers=["sharpness"]).hash,
        load(simple(), held_out=["sharpness"]).hash,
    }
    assert len(hashes) == 5


def test_the_baseline_replaces_the_realigning_sampler_by_core_s(load: Load) -> None:
    prompt = load(simple(), baseline=True).prompt(Row(0, "a fox", "", "", 11, 0.25, INTERPOLATED))
    (merged,) = (name for name, each in prompt.items() if each["class_type"] == "ModelMergeSimple")
    assert prompt[merged]["inputs"] == {"model1": ["pair", 0], "model2": ["pair", 1], "ratio": 0.75}
    sampler = prompt["sampler"]
    assert sampler["class_type"] == "KSampler" and sampler["inputs"]["model"] == [merged, 0]
    assert sampler["inputs"]["seed"] == 11 and "lambda" not in sampler["inputs"]


def test_the_stages_of_an_image_share_the_baseline_s_model(load: Load) -> None:
    found = load(TEMPLATES["Image to image (SD1.5, DPO model)"], baseline=True)
    prompt = found.prompt(Row(0, "a fox", "", "", 11, 0.25, INTERPOLATED))
    kinds = [each["class_type"] for each in prompt.values()]
    assert [kinds.count(kind) for kind in ("ModelMergeSimple", "KSampler", "KSamplerAdvanced")] == [1, 1, 1]
    shown = [each["inputs"]["source"][0] for each in prompt.values() if each["class_type"] == "PreviewAny"]
    assert shown == ["deradiff_score_0"], "core's samplers have no KL to show"


def test_methods_are_called_as_on_the_wires() -> None:
    assert (REALIGNED, INTERPOLATED) == (wires.REALIGNED, wires.INTERPOLATED)


def _two_saved() -> Prompt:
    return simple(larger=node("ImageScaleBy", image=["decode", 0], upscale_method="area", scale_by=2.0), second=node("SaveImage", images=["larger", 0], filename_prefix="y"))  # fmt: skip


def test_of_two_saved_images_one_is_named(load: Load) -> None:
    with pytest.raises(ValueError, match="saves several") as refusal:
        load(_two_saved())
    assert "second.images" in str(refusal.value)
    assert load(_two_saved(), set_=["second.images=images"]).parts.images == ("larger", 0)


def test_an_exported_file_needs_no_server(load: Load) -> None:
    found = load(simple(), object_info=None)
    assert places(found.parts.prompts) == ["positive.text"]


def test_names_of_judges(load: Load) -> None:
    found = load(simple(), scorers=["PickScore"], held_out=["Sharp", "warmth (built in)"])
    assert (found.judges, found.held_out) == (("PickScore_v1",), ("sharpness", "warmth"))


SAVED = {"filename": "x.png", "subfolder": "", "type": "output"}


def _outputs(scores: list[float], kl: float = 3.0) -> dict[str, Any]:
    shown = {"deradiff_show_0": str(wires.Scores("colourfulness", tuple(scores))), "deradiff_kl_0": str(kl)}
    return {"save": {"images": [SAVED]}, **{name: {"text": [text]} for name, text in shown.items()}}


def test_a_reading(load: Load) -> None:
    found = load(simple())
    reading = found.read(_outputs([1.0, 2.0]))
    assert (reading.images, reading.scores, reading.kl) == ((SAVED,), {"colourfulness": 1.5}, 3.0)
    assert str(found.read(_outputs([1.0], kl=float("nan"))).kl) == "nan"


@pytest.mark.parametrize("scores", [[], [1.0, float("nan")], [float("inf")]])
def test_a_score_that_is_no_number_is_an_error(scores: list[float], load: Load) -> None:
    with pytest.raises(ValueError, match="colourfulness"):
        load(simple()).read(_outputs(scores))


def test_the_kl_of_two_stages_is_their_sum(load: Load) -> None:
    found = load(TEMPLATES["Image to image (SD1.5, DPO model)"])
    outputs = {**_outputs([1.0], 2.0), "deradiff_kl_1": {"text": ["0.5"]}}
    assert found.read({found.parts.output: outputs["save"], **outputs}).kl == 2.5


def test_a_run_without_images_is_an_error(load: Load) -> None:
    with pytest.raises(ValueError, match="saved none"):
        load(simple()).read({})

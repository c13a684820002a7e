"""Where the prompt and the negative prompt stand: through encoders of several texts, guiders, ControlNets and nodes that join texts."""

from __future__ import annotations

from typing import Any

import pytest
from deradiff.evaluate.rows import Row
from support.recipes import Load, Prompt, node, places, simple

ROW = Row(3, "a fox", "", "", 11, 0.7)


def test_sdxl_s_two_texts_are_one_prompt(load: Load) -> None:
    sizes = {"width": 64, "height": 64, "crop_w": 0, "crop_h": 0, "target_width": 64, "target_height": 64}
    encode = node("CLIPTextEncodeSDXL", clip=["pair", 2], text_g="a house", text_l="house, red", **sizes)
    assert places(load(simple(positive=encode)).parts.prompts) == ["positive.text_g", "positive.text_l"]


def test_flux_with_a_guider_and_without_a_negative(load: Load) -> None:
    workflow = simple(
        positive=node("CLIPTextEncodeFlux", clip=["pair", 2], clip_l="house", t5xxl="a house", guidance=3.5),
        guided=node("FluxGuidance", conditioning=["positive", 0], guidance=3.5),
        model=node(
            "DeRaDiffRealign", reference=["pair", 0], aligned=["pair", 1], evaluation="exact", **{"lambda": 0.5}
        ),
        guider=node("BasicGuider", model=["model", 0], conditioning=["guided", 0]),
        noise=node("RandomNoise", noise_seed=5),
        select=node("KSamplerSelect", sampler_name="euler"),
        sigmas=node("BasicScheduler", model=["model", 0], scheduler="simple", steps=2, denoise=1.0),
        sampler=node(
            "SamplerCustomAdvanced",
            **{"noise": ["noise", 0], "guider": ["guider", 0], "sampler": ["select", 0]},
            **{"sigmas": ["sigmas", 0], "latent_image": ["latent", 0]},
        ),
    )
    found = load(workflow)
    assert places(found.parts.prompts) == ["positive.clip_l", "positive.t5xxl"]
    assert (places(found.parts.seeds), places(found.parts.negatives)) == (["noise.noise_seed"], [])
    with pytest.raises(ValueError, match="it has no negative prompt"):
        found.prompt(Row(0, "a fox", "dark", "", 1, 0.5))


def test_a_zeroed_conditioning_is_no_negative_prompt(load: Load) -> None:
    found = load(simple(negative=node("ConditioningZeroOut", conditioning=["positive", 0])))
    assert (places(found.parts.prompts), places(found.parts.negatives)) == (["positive.text"], [])


def test_one_text_for_both_sides_is_the_prompt(load: Load) -> None:
    workflow = simple()
    workflow["sampler"]["inputs"]["negative"] = ["positive", 0]
    found = load(workflow)
    assert (places(found.parts.prompts), places(found.parts.negatives)) == (["positive.text"], [])


def test_through_a_controlnet_each_side_keeps_its_own(load: Load) -> None:
    control = node(
        "ControlNetApplyAdvanced", positive=["positive", 0], negative=["negative", 0], control_net=["net", 0], image=["image", 0],
        strength=1.0, start_percent=0.0, end_percent=1.0,
    )  # fmt: skip
    workflow = simple(
        control=control,
        net=node("ControlNetLoader", control_net_name="c.safetensors"),
        image=node("LoadImage", image="example.png"),
    )
    workflow["sampler"]["inputs"] |= {"positive": ["control", 0], "negative": ["control", 1]}
    found = load(workflow)
    assert (places(found.parts.prompts), places(found.parts.negatives)) == (["positive.text"], ["negative.text"])


def _combined(second: str) -> Prompt:
    workflow = simple(
        second=node("CLIPTextEncode", clip=["pair", 2], text=second),
        both=node("ConditioningCombine", conditioning_1=["positive", 0], conditioning_2=["second", 0]),
    )
    workflow["sampler"]["inputs"]["positive"] = ["both", 0]
    return workflow


def test_combined_texts_are_ambiguous_and_are_listed(load: Load) -> None:
    with pytest.raises(ValueError, match="several texts that could be the prompt") as refusal:
        load(_combined("in the snow"))
    assert "positive.text" in str(refusal.value) and "'in the snow'" in str(refusal.value)
    found = load(_combined("in the snow"), set_=["second.text=prompt"])
    assert places(found.parts.prompts) == ["second.text"]
    assert found.prompt(ROW)["positive"]["inputs"]["text"] == "a house"


def test_the_same_text_twice_is_one_prompt(load: Load) -> None:
    assert places(load(_combined("a house")).parts.prompts) == ["positive.text", "second.text"]


def _styled(prompt: Any) -> Prompt:
    joined = node("StringConcatenate", string_a=prompt, string_b="oil painting", delimiter=", ")
    drawn = node("DeRaDiffPromptSet", source="typed below", prompts="a\nb", n=0, seed=0, negative="dull", column="")
    workflow = simple(joined=joined, drawn=drawn)
    workflow["positive"]["inputs"]["text"] = ["joined", 0]
    workflow["negative"]["inputs"]["text"] = ["drawn", 1]
    return workflow


def test_what_is_added_to_a_prompt_set_s_prompt_stays(load: Load) -> None:
    found = load(_styled(["drawn", 0]))
    assert places(found.parts.prompts) == ["joined.string_a"]
    prompt = found.prompt(ROW)
    assert prompt["joined"]["inputs"]["string_b"] == "oil painting"
    assert prompt["negative"]["inputs"]["text"] == "dull", "the set's own negative, once"
    assert "drawn" not in prompt


def test_of_two_joined_texts_one_must_be_named(load: Load) -> None:
    with pytest.raises(ValueError, match="several texts"):
        load(_styled("a house"))
    assert places(load(_styled("a house"), set_=["joined.string_a=prompt"]).parts.prompts) == ["joined.string_a"]

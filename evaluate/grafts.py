"""What is grafted onto a workflow: judges that score the images it saves, what shows the KL, and the baseline of interpolated weights.
Standard library only.

Numbers come back as the text of core's Preview as Text: ComfyUI keeps the text of an output node in the history also where it took every
result from its cache, which it does not for the nodes behind.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from .graph import Declared, Link, Place, Prompt, link, named
from .parts import linked

_LOAD, _SCORE, _SHOW = "DeRaDiffLoadScorer", "DeRaDiffScoreImages", "PreviewAny"
_REALIGN = "DeRaDiffRealign"
_BUILT_IN = " (built in)"
_COMPARES = "closeness to lambda 0"
_PREFIX = "deradiff"  # of the ids of what is grafted: ComfyUI's own are numbers
_CORE = {"DeRaDiffKSampler": "KSampler", "DeRaDiffKSamplerAdvanced": "KSamplerAdvanced"}
_OURS_ALONE = ("reference", "aligned", "lambda", "evaluation", "schedule", "mask", "mask_feather", "reuse_tolerance")


def scorer(name: str, declared: Declared) -> str:
    """The choice of Load Scorer that a name means: that name, a built-in measure's, or the only one that begins with it.

    Raises ValueError for one that is not there, with those that are.
    """
    known: list[str] = declared.choices(_LOAD, "scorer")
    if not declared.classes:
        return name
    usable = [each for each in known if each != _COMPARES + _BUILT_IN]
    if name.removesuffix(_BUILT_IN) == _COMPARES:
        raise ValueError(
            f"scorer: {_COMPARES!r} compares images of one sweep and cannot score rows one by one. Expected one of: {', '.join(usable)}."
        )
    for wanted in (name, name + _BUILT_IN):
        if wanted in usable:
            return wanted
    begins = [each for each in usable if each.lower().startswith(name.lower())]
    if name and len(begins) == 1:
        return begins[0]
    said = f"{name!r} may be {' or '.join(begins)}" if name and begins else f"no {name!r} in models/deradiff_scorers"
    raise ValueError(f"scorer: {said}. Expected one of: {', '.join(usable)}.")


@dataclass(frozen=True)
class Judge:
    """A judge in a prompt. text: where it reads what the images should show. shown: the node that shows its scores."""

    text: Place
    shown: str


def judge(prompt: Prompt, choice: str, images: Link, number: int) -> tuple[Prompt, Judge]:
    """The prompt with a judge of the images. number: of the judge, from 0."""
    load, score, show = (f"{_PREFIX}_{part}_{number}" for part in ("scorer", "score", "show"))
    grafted: Prompt = {
        load: _node(_LOAD, scorer=choice, kind="auto"),
        score: _node(_SCORE, images=list(images), prompt="", scorer=[load, 0], weight=1.0, scale="raw"),
        show: _node(_SHOW, source=[score, 0]),
    }
    return {**prompt, **grafted}, Judge(Place(score, "prompt"), show)


def divergences(prompt: Prompt) -> tuple[Prompt, tuple[str, ...]]:
    """The prompt with a node for each stage of the image that shows its KL, and those nodes; none where a stage does not say it."""
    if any(node["class_type"] == _REALIGN for node in prompt.values()):
        return prompt, ()
    stages = [name for name, node in prompt.items() if node["class_type"] in _CORE]
    grafted = {f"{_PREFIX}_kl_{number}": _node(_SHOW, source=[name, 1]) for number, name in enumerate(stages)}
    return {**prompt, **grafted}, tuple(grafted)


def check_baseline(prompt: Prompt, lambdas: Sequence[Place]) -> None:
    """Raise ValueError for a workflow that has no model of interpolated weights to compare with."""
    for place in lambdas:
        if not {"reference", "aligned"} <= prompt[place.node]["inputs"].keys():
            raise ValueError(
                f"baseline: {place} is no input of a realigning node, whose pair could be interpolated. Set that node's lambda, or leave the "
                "baseline out."
            )
    for name in ("schedule", "mask"):
        if linked(prompt, lambdas, name):
            raise ValueError(
                f"baseline: weights are interpolated once, for the whole image and run, and cannot follow a {name}. Disconnect it, or leave the "
                "baseline out."
            )
    for place in lambdas:
        source = link(prompt[place.node]["inputs"].get("reference"))
        if source and prompt[source[0]]["class_type"] == _REALIGN:
            raise ValueError(
                f"baseline: the reference of node {named(prompt, place.node)} is a realigned MODEL, a mixture of models, which has no weights that "
                "could be interpolated. Leave the baseline out."
            )


def interpolated(prompt: Prompt, lambdas: Sequence[Place], strength: float, without: Collection[str] = ()) -> Prompt:
    """The prompt with the realigning nodes replaced by ModelMergeSimple and, where they sample, core's sampler.

    without: nodes that show the KL, which core's sampler does not know. Raises ValueError for a lambda outside 0 to 1, which ModelMergeSimple does not take.
    """
    if not 0 <= strength <= 1:
        raise ValueError(
            f"baseline: weights are interpolated at lambdas from 0 to 1, got {strength:g}. Leave it out of the baseline."
        )
    changed = {name: node for name, node in prompt.items() if name not in without}
    merges: dict[str, str] = {}  # by the pair: its stages share one model
    for place in lambdas:
        node = prompt[place.node]
        pair = node["inputs"]
        merged = _node("ModelMergeSimple", model1=pair["reference"], model2=pair["aligned"], ratio=1.0 - strength)
        if node["class_type"] in _CORE:
            name = merges.setdefault(str(merged), f"{_PREFIX}_weights_{place.node}")
            kept = {input_: given for input_, given in pair.items() if input_ not in _OURS_ALONE}
            changed[name] = merged
            changed[place.node] = _node(_CORE[node["class_type"]], model=[name, 0], **kept)
        else:
            changed[place.node] = merged
    return changed


def _node(class_type: str, /, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}

"""What is grafted onto a workflow: judges that score the images it saves, and the baseline of interpolated weights.
Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .graph import Declared, Link, Place, Prompt, link, named
from .parts import linked

_LOAD, _SCORE, _SHOW = "DeRaDiffLoadScorer", "DeRaDiffScoreImages", "PreviewAny"
_BUILT_IN = " (built in)"
_COMPARES = "closeness to lambda 0"
_PREFIX = "deradiff"  # of the ids of what is grafted: ComfyUI's own are numbers
_CORE = {"DeRaDiffKSampler": "KSampler", "DeRaDiffKSamplerAdvanced": "KSamplerAdvanced"}
_OURS_ALONE = ("reference", "aligned", "lambda", "evaluation", "schedule", "mask", "mask_feather", "reuse_tolerance")


def scorer(name: str, declared: Declared) -> str:
    """The choice of Load Scorer that a name means: that name, a built-in measure's, or the only one that begins with it.

    Raises ValueError for one that is not there, with those that are.
    """
    kind, options = declared.input(_LOAD, "scorer")
    known: list[str] = kind if isinstance(kind, list) else options.get("options", [])
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


def judge(prompt: Prompt, choice: str, images: Link, number: int) -> tuple[Prompt, Place]:
    """The prompt with a judge of the images, and the place of the text that it reads. number: of the judge, from 0."""
    load, score, show = (f"{_PREFIX}_{part}_{number}" for part in ("scorer", "score", "show"))
    grafted: Prompt = {
        load: _node(_LOAD, scorer=choice, kind="auto"),
        score: _node(_SCORE, images=list(images), prompt="", scorer=[load, 0], weight=1.0, scale="raw"),
        show: _node(_SHOW, source=[score, 0]),  # without an output node behind it ComfyUI would not run it
    }
    return {**prompt, **grafted}, Place(score, "prompt")


def check_baseline(prompt: Prompt, lambdas: Sequence[Place]) -> None:
    """Raise ValueError for a workflow that has no model of interpolated weights to compare with."""
    for name in ("schedule", "mask"):
        if linked(prompt, lambdas, name):
            raise ValueError(
                f"baseline: weights are interpolated once, for the whole image and run, and cannot follow a {name}. Disconnect it, or leave the "
                "baseline out."
            )
    for place in lambdas:
        source = link(prompt[place.node]["inputs"].get("reference"))
        if source and prompt[source[0]]["class_type"] == "DeRaDiffRealign":
            raise ValueError(
                f"baseline: the reference of node {named(prompt, place.node)} is a realigned MODEL, a mixture of models, which has no weights that "
                "could be interpolated. Leave the baseline out."
            )


def interpolated(prompt: Prompt, lambdas: Sequence[Place], strength: float) -> Prompt:
    """The prompt with the realigning nodes replaced by ModelMergeSimple and, where they sample, core's sampler.

    Raises ValueError for a lambda outside 0 to 1, which ModelMergeSimple does not take.
    """
    if not 0 <= strength <= 1:
        raise ValueError(
            f"baseline: weights are interpolated at lambdas from 0 to 1, got {strength:g}. Leave it out of the baseline."
        )
    changed = dict(prompt)
    for place in lambdas:
        node = prompt[place.node]
        pair = node["inputs"]
        merged = _node("ModelMergeSimple", model1=pair["reference"], model2=pair["aligned"], ratio=1.0 - strength)
        if node["class_type"] in _CORE:
            name = f"{_PREFIX}_weights_{place.node}"
            kept = {input_: given for input_, given in pair.items() if input_ not in _OURS_ALONE}
            changed[name] = merged
            changed[place.node] = _node(_CORE[node["class_type"]], model=[name, 0], **kept)
        else:
            changed[place.node] = merged
    return changed


def _node(class_type: str, /, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}

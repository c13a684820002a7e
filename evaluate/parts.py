"""What of a workflow a row sets: its lambda, seed and prompt, and the images that are saved and scored. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from .graph import Declared, Link, Place, Prompt, above, ends, link, links, named, pruned, value, with_values
from .settings import IMAGES, LAMBDA, NEGATIVE, PROMPT, SEED, Settings
from .texts import PROMPT_SET, Reader, listed, the_only

OURS = "DeRaDiff"
_SEEDS = ("seed", "noise_seed")
_IMAGES = ("images", "image")
_PREVIEWS = ("PreviewImage",)


@dataclass(frozen=True)
class Parts:
    """lambdas, seeds, prompts, negatives: the inputs that a row sets. output: the node that saves the images; images: their link.

    negatives: None where several texts could be the negative prompt, so that a row may not have one of its own.
    """

    lambdas: tuple[Place, ...]
    seeds: tuple[Place, ...]
    prompts: tuple[Place, ...]
    negatives: tuple[Place, ...] | None
    output: str
    images: Link


def find(prompt: Prompt, declared: Declared, settings: Settings) -> tuple[Prompt, Parts]:
    """The part of the prompt that the saved images need, with the row's values taken out of it, and its parts.

    Raises ValueError for a workflow without one of them, and for one where it is not clear which is meant: the message lists the candidates.
    """
    lambdas, output = _lambdas_and_output(prompt, declared, settings)
    prompt = pruned(with_values(prompt, dict.fromkeys(lambdas, 0.0)), [output])
    _check_classes(prompt, declared)
    reader = Reader(prompt, declared)
    prompts = settings.roles[PROMPT] or _prompts(reader)
    negatives = settings.roles[NEGATIVE] or _negatives(reader, prompts)
    prompt = with_values(prompt, {place: "" for place in prompts if place.node in prompt})
    prompt = pruned(_without_prompt_sets(prompt), [output])
    seeds = settings.roles[SEED] or _seeds(prompt)
    prompt = pruned(with_values(prompt, {place: 0 for place in seeds if place.node in prompt}), [output])
    for role, places in ((LAMBDA, lambdas), (SEED, seeds), (PROMPT, prompts), (NEGATIVE, negatives or ())):
        _check_matters(prompt, role, places)
    _check_single(prompt, declared, lambdas)
    images = _images(prompt, output)
    assert images is not None
    return prompt, Parts(
        tuple(lambdas), tuple(seeds), tuple(prompts), None if negatives is None else tuple(negatives), output, images
    )


def _lambdas_and_output(prompt: Prompt, declared: Declared, settings: Settings) -> tuple[list[Place], str]:
    """The lambdas that a row sets together, and the one node whose images are saved."""
    asked = settings.roles[LAMBDA]
    every = asked or [
        Place(name, LAMBDA)
        for name, node in prompt.items()
        if node["class_type"].startswith(OURS) and LAMBDA in node["inputs"]
    ]
    if not every:
        raise ValueError(_without_lambda(prompt))
    outputs = [place.node for place in settings.roles[IMAGES]] or _outputs(prompt, declared)
    reached = {output: [place for place in every if place.node in above(prompt, [output])] for output in outputs}
    reached = {output: places for output, places in reached.items() if places}
    if not reached:
        raise ValueError(
            "workflow: no image that it saves depends on lambda. Connect the realigned sampler by VAE Decode to Save Image, or say by "
            "--set NODE.images=images where the images are saved."
        )
    lambdas = list(dict.fromkeys(chain(*reached.values())))
    if not asked and not _are_one(prompt, list(reached.values())):
        raise ValueError(
            "lambda: the workflow has several, and it is not clear which is meant. Say which by --set, for example "
            f"--set {lambdas[0]}={LAMBDA}; several may be set. Candidates:\n{_choices(prompt, reached)}"
        )
    if len(reached) > 1:
        lines = "\n".join(
            f"  {Place(output, _image_input(prompt, output))}  of {named(prompt, output)}" for output in reached
        )
        first = Place(next(iter(reached)), _image_input(prompt, next(iter(reached))))
        raise ValueError(
            f"images: the workflow saves several, and it is not clear which to score. Say which by --set, for example --set {first}={IMAGES}. "
            f"Candidates:\n{lines}"
        )
    return lambdas, next(iter(reached))


def _are_one(prompt: Prompt, groups: Sequence[Sequence[Place]]) -> bool:
    """Whether all lambdas mix the same pair's aligned model, on the way to the same images: stages of one image."""
    aligned = {str(prompt[place.node]["inputs"].get("aligned")) for group in groups for place in group}
    return len({tuple(group) for group in groups}) == 1 and len(aligned) == 1


def _choices(prompt: Prompt, reached: dict[str, list[Place]]) -> str:
    lambdas = dict.fromkeys(chain(*reached.values()))
    return "\n".join(
        f"{listed(prompt, [place])}, for {', '.join(named(prompt, output) for output, places in reached.items() if place in places)}"
        for place in lambdas
    )


def _without_lambda(prompt: Prompt) -> str:
    choosing = [
        name
        for name, node in prompt.items()
        if node["class_type"].startswith(OURS) and {"lambdas", "budget"} & node["inputs"].keys()
    ]
    why = (
        f" {named(prompt, choosing[0])} goes through lambdas of its own: use a workflow of one image."
        if choosing
        else ""
    )
    return (
        f"workflow: expected a node of this pack with an input lambda (KSampler (DeRaDiff), KSampler Advanced (DeRaDiff), Realign Model "
        f"(DeRaDiff)), found none.{why}"
    )


def _outputs(prompt: Prompt, declared: Declared) -> list[str]:
    """The nodes that save images; those that only preview them if there are no others."""
    found = [name for name in ends(prompt) if _images(prompt, name) and declared.is_output(prompt[name]["class_type"])]
    saving = [name for name in found if prompt[name]["class_type"] not in _PREVIEWS]
    return saving or found


def _image_input(prompt: Prompt, node: str) -> str:
    return next((name for name, _ in links(prompt[node]) if name in (*_IMAGES, "video")), "images")


def _images(prompt: Prompt, node: str) -> Link | None:
    """The images that a node is given, None if it is given none: those of a video are what the video was made of."""
    inputs = prompt[node]["inputs"]
    found = next((source for name in _IMAGES if (source := link(inputs.get(name))) is not None), None)
    if found is None and (video := link(inputs.get("video"))) is not None:
        return _images(prompt, video[0])
    return found


def _prompts(reader: Reader) -> list[Place]:
    found = reader.texts(PROMPT)
    places = the_only(found)
    if places:
        return places
    if places is None:
        said, choices = (
            "the workflow has several texts that could be the prompt",
            [place for text in found for place in text.places],
        )
    else:
        said, choices = "no text was found behind the sampler's positive conditioning", reader.holders()
    example = choices[0] if choices else "NODE.input"
    listing = f" Candidates:\n{listed(reader.prompt, choices)}" if choices else " It holds no text at all."
    raise ValueError(
        f"prompt: {said}. Say where the prompt goes by --set, for example --set {example}={PROMPT}.{listing}"
    )


def _negatives(reader: Reader, prompts: Sequence[Place]) -> list[Place] | None:
    """Without those that are the prompt: a sampler without guidance may be given it twice."""
    places = the_only([text for text in reader.texts(NEGATIVE) if not set(text.places) & set(prompts)])
    return places


def _seeds(prompt: Prompt) -> list[Place]:
    found = [Place(name, seed) for name, node in prompt.items() for seed in _SEEDS if seed in node["inputs"]]
    if not found:
        raise ValueError(
            f"seed: no node that the images need has an input seed or noise_seed. Say where it goes by --set NODE.input={SEED}."
        )
    return found


def _without_prompt_sets(prompt: Prompt) -> Prompt:
    """With the Prompt Set's own negative prompt, and no prompt or tag, where links led to a Prompt Set."""
    new = {}
    for name, node in prompt.items():
        for input_, (source, slot) in links(node):
            if prompt[source]["class_type"] == PROMPT_SET:
                new[Place(name, input_)] = prompt[source]["inputs"].get("negative", "") if slot == 1 else ""
    return with_values(prompt, new)


def _check_classes(prompt: Prompt, declared: Declared) -> None:
    unknown = [name for name, node in prompt.items() if declared.classes and node["class_type"] not in declared.classes]
    if unknown:
        raise ValueError(
            f"workflow: this ComfyUI does not have the class of node {named(prompt, unknown[0])}. Install the pack that it belongs to in the "
            "ComfyUI that is used, or update it."
        )


def _check_matters(prompt: Prompt, role: str, places: Sequence[Place]) -> None:
    for place in places:
        if place.node not in prompt:
            raise ValueError(
                f"{role}: no image that is saved depends on {place}, so it cannot be the {role}. Choose another place by --set."
            )


def _check_single(prompt: Prompt, declared: Declared, lambdas: Sequence[Place]) -> None:
    """Raise ValueError for lists in front of a lambda: a row is one run of the sampler."""
    for name in sorted(above(prompt, [place.node for place in lambdas])):
        if declared.lists(prompt[name]["class_type"]):
            raise ValueError(
                f"workflow: node {named(prompt, name)} gives a list, for each item of which the sampler would run, but a row is one prompt, seed "
                "and lambda. Take the list out: the prompts come from the prompt file."
            )


def linked(prompt: Prompt, places: Sequence[Place], name: str) -> bool:
    """Whether an input of this name is linked at any of the places' nodes."""
    return any(link(value(prompt, Place(place.node, name))) for place in places if name in prompt[place.node]["inputs"])

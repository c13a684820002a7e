"""A workflow file as the recipe of an evaluation: a prompt for each row, and what its results say. Standard library only."""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import grafts, graph, parts, settings, ui_format
from .grafts import Judge
from .graph import Declared, Place, Prompt, with_values
from .parts import Parts
from .rows import INTERPOLATED, Row


@dataclass(frozen=True)
class Reading:
    """What a finished row says. images: as ComfyUI names them, {"filename", "subfolder", "type"}.

    scores: by judge, the mean over the row's images. kl: nats from the reference, over all stages of the image; NaN where it is unknown.
    """

    images: tuple[dict[str, str], ...]
    scores: dict[str, float]
    kl: float


@dataclass(frozen=True)
class Recipe:
    """graph: in API format, with the judges, without the values of a row. judges, held_out: the names of those that choose and those that do not.

    hash: of the graph and the judges. parts: where a row's values go. scoring: each judge in the graph. kl: the nodes that show the KL.
    """

    graph: Prompt
    judges: tuple[str, ...]
    held_out: tuple[str, ...]
    hash: str
    parts: Parts
    scoring: Mapping[str, Judge]
    kl: tuple[str, ...]

    def prompt(self, row: Row) -> Prompt:
        """What the server is given for a row. Raises ValueError for a negative prompt that has no place in the workflow, and a baseline
        at a lambda outside 0 to 1."""
        found: dict[Place, Any] = dict.fromkeys(self.parts.lambdas, row.strength)
        found |= dict.fromkeys(self.parts.seeds, row.seed)
        found |= dict.fromkeys((*self.parts.prompts, *(judge.text for judge in self.scoring.values())), row.text)
        if row.negative:
            found |= dict.fromkeys(self._negatives(), row.negative)
        prompt = with_values(self.graph, found)
        if row.method != INTERPOLATED:
            return prompt
        return grafts.interpolated(prompt, self.parts.lambdas, row.strength, self.kl)

    def read(self, outputs: Mapping[str, Any]) -> Reading:
        """outputs: of the row's entry in ComfyUI's history. Raises ValueError if the images, or a finite score of each judge, are missing."""
        images = [
            {name: image[name] for name in ("filename", "subfolder", "type")}
            for image in outputs.get(self.parts.output, {}).get("images", ())
        ]
        if not images:
            raise ValueError(f"images: node {graph.named(self.graph, self.parts.output)} saved none.")
        scores = {name: _score(name, _texts(outputs, judge.shown)) for name, judge in self.scoring.items()}
        return Reading(tuple(images), scores, self._kl(outputs))

    def _negatives(self) -> tuple[Place, ...]:
        if self.parts.negatives:
            return self.parts.negatives
        found = (
            "several texts could be the negative prompt"
            if self.parts.negatives is None
            else "it has no negative prompt"
        )
        raise ValueError(
            f"negative: the prompt file has negative prompts, but in the workflow {found}. Say where they go by --set NODE.input=negative, or "
            "take them out of the file."
        )

    def _kl(self, outputs: Mapping[str, Any]) -> float:
        """The sum over the stages of an image, each of which goes on from the one before."""
        told = [float(text) for name in self.kl for text in _texts(outputs, name)]
        return math.fsum(told) if told else math.nan


def load(
    path: Path,
    *,
    set_: Sequence[str] = (),
    scorers: Sequence[str] = (),
    held_out: Sequence[str] = (),
    object_info: dict[str, Any] | None = None,
    baseline: bool = False,
) -> Recipe:
    """The recipe that a workflow file is, in API format or as ComfyUI's page saves it.

    set_: what was given by --set. scorers, held_out: judges by name, see grafts.scorer. object_info: what the server says of its node
    classes; without it a file of the page cannot be read, and names are not checked. baseline: whether rows may be of interpolated weights.
    Raises ValueError, saying what was expected, what came and what to do.
    """
    declared = Declared(object_info or {})
    prompt = read_file(path, declared)
    given = settings.read(prompt, set_)
    prompt, found = parts.find(given.applied(prompt), declared, given)
    if baseline:
        grafts.check_baseline(prompt, found.lambdas)
    bare, scoring = prompt, {}
    prompt, shown = grafts.divergences(prompt)
    names = _judges(scorers, held_out, declared)
    for number, (name, choice) in enumerate(names.items()):
        prompt, scoring[name] = grafts.judge(prompt, choice, found.images, number)
    first = [name for name in names][: len(scorers)]
    judges, second = tuple(first), tuple(name for name in names if name not in first)
    return Recipe(prompt, judges, second, _hash(bare, judges, second), found, scoring, shown)


def read_file(path: Path, declared: Declared) -> Prompt:
    """The prompt in a workflow file. Raises ValueError."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"workflow: {path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise ValueError(
            f"workflow: {path} is not a JSON file ({error}). Export it from ComfyUI by Workflow > Export (API)."
        ) from error
    if ui_format.is_ui(content):
        if not declared.classes:
            raise ValueError(
                f"workflow: {path} is as ComfyUI's page saves it, which only a running ComfyUI can convert. {ui_format.ADVICE}"
            )
        content = ui_format.to_prompt(content, declared.classes)
    if not graph.is_api(content):
        raise ValueError(
            f"workflow: {path} holds no workflow of ComfyUI. Export it from ComfyUI by Workflow > Export (API)."
        )
    graph.check(content)
    return content


def _judges(scorers: Sequence[str], held_out: Sequence[str], declared: Declared) -> dict[str, str]:
    """By the name it is shown under, what each judge is called in Load Scorer."""
    if not scorers:
        raise ValueError(
            "scorer: expected at least one judge, for example --scorer colourfulness or a folder of models/deradiff_scorers."
        )
    found: dict[str, str] = {}
    for name in (*scorers, *held_out):
        choice = grafts.scorer(name, declared)
        shown = choice.removesuffix(" (built in)")
        if shown in found:
            raise ValueError(
                f"scorer: {shown!r} is named twice. A held-out judge must be another one than those that choose."
            )
        found[shown] = choice
    return found


def _texts(outputs: Mapping[str, Any], node: str) -> Sequence[str]:
    """What a Preview as Text shows."""
    return outputs.get(node, {}).get("text", ())


def _score(name: str, texts: Sequence[str]) -> float:
    values = [value for text in texts for value in json.loads(text)["values"]]
    if not values:
        raise ValueError(f"{name}: it scored no image.")
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{name}: expected finite scores, got {values}.")
    return statistics.fmean(values)


def _hash(prompt: Prompt, judges: Sequence[str], held_out: Sequence[str]) -> str:
    """Of what makes an image and who judges it. Titles do not count."""
    bare = {name: {"class_type": node["class_type"], "inputs": node["inputs"]} for name, node in prompt.items()}
    text = json.dumps([bare, list(judges), list(held_out)], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

"""`--set NODE.input=...`: what of a workflow the prompt, seed and lambda of a row are put into, and values that are set once.
Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .graph import Place, Prompt, link, named, value, with_values

PROMPT, NEGATIVE, SEED, LAMBDA, IMAGES = "prompt", "negative", "seed", "lambda", "images"
ROLES = (PROMPT, NEGATIVE, SEED, LAMBDA, IMAGES)


@dataclass(frozen=True)
class Settings:
    """roles: the places that were given each role. values: those that were given a value of their own."""

    roles: dict[str, list[Place]] = field(default_factory=lambda: {role: [] for role in ROLES})
    values: dict[Place, Any] = field(default_factory=dict)

    def applied(self, prompt: Prompt) -> Prompt:
        return with_values(prompt, self.values)


def read(prompt: Prompt, texts: Sequence[str]) -> Settings:
    """texts: as they were typed. Raises ValueError for one that names no input of the workflow."""
    found = Settings()
    for text in texts:
        name, sign, given = text.partition("=")
        node, dot, input_ = name.strip().rpartition(".")
        if not (sign and dot):
            raise ValueError(f"--set: expected NODE.input=VALUE, for example 6.text=prompt, got {text!r}.")
        place = Place(_node(prompt, node), input_)
        _check_input(prompt, place)
        if given.strip() in ROLES:
            _check_role(prompt, place, given.strip())
            found.roles[given.strip()].append(place)
        else:
            found.values[place] = _value(value(prompt, place), given)
    return found


def _node(prompt: Prompt, name: str) -> str:
    """A node by its id, or by its title or class where only one node has it."""
    if name in prompt:
        return name
    known = [key for key, node in prompt.items() if name in (node["class_type"], node.get("_meta", {}).get("title"))]
    if len(known) == 1:
        return known[0]
    if known:
        raise ValueError(
            f"--set: {len(known)} nodes are called {name!r}. Name one by its number: {_nodes(prompt, known)}."
        )
    raise ValueError(f"--set: the workflow has no node {name!r}. It has {_nodes(prompt, list(prompt))}.")


def _nodes(prompt: Prompt, names: Sequence[str]) -> str:
    more = f" and {len(names) - 40} more" if len(names) > 40 else ""
    return ", ".join(named(prompt, name) for name in names[:40]) + more


def _check_input(prompt: Prompt, place: Place) -> None:
    inputs = prompt[place.node]["inputs"]
    if place.input not in inputs:
        raise ValueError(
            f"--set: node {named(prompt, place.node)} has no input {place.input!r}. It has {', '.join(inputs)}."
        )


def _check_role(prompt: Prompt, place: Place, role: str) -> None:
    """Raise ValueError for an input that cannot take what a row puts there. One that is linked takes anything."""
    now = value(prompt, place)
    if role == IMAGES:
        fits, wanted = (
            link(now) is not None and place.input in ("images", "image", "video"),
            "the linked images of a node that saves them",
        )
    elif role in (LAMBDA, SEED):
        fits, wanted = not isinstance(now, str | bool), "a number"
    else:
        fits, wanted = isinstance(now, str) or link(now) is not None, "a text"
    if not fits:
        raise ValueError(
            f"--set: {place}={role} needs an input that takes {wanted}; node {named(prompt, place.node)} has {now!r} there."
        )


def _value(now: object, given: str) -> Any:
    """As JSON; as it was typed where it is none, or where a text stands now and none is written in quotes."""
    try:
        found = json.loads(given)
    except ValueError:
        return given
    return given if isinstance(now, str) and not isinstance(found, str) else found

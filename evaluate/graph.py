"""A prompt as ComfyUI's server takes it (API format): links, what a node depends on, and the places that are set anew for each row.
Standard library only; knows no node by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

Node = dict[str, Any]
Prompt = dict[str, Node]
Link = tuple[str, int]  # a node and the place of one of its outputs


@dataclass(frozen=True, order=True)
class Place:
    """An input of a node."""

    node: str
    input: str

    def __str__(self) -> str:
        return f"{self.node}.{self.input}"


@dataclass(frozen=True)
class Declared:
    """What the server says of its node classes (/object_info); empty where no server was asked."""

    classes: dict[str, Any]

    def input(self, kind: str, name: str) -> tuple[Any, dict[str, Any]]:
        """(type, options) of an input; (None, {}) where it is unknown."""
        groups = self.classes.get(kind, {}).get("input", {})
        for group in (groups.get("required"), groups.get("optional")):
            if name in (group or {}):
                type_, *options = group[name]
                return type_, options[0] if options and isinstance(options[0], dict) else {}
        return None, {}

    def choices(self, kind: str, name: str) -> list[Any]:
        """What a combo offers; [] for any other input."""
        return choices(*self.input(kind, name))

    def output(self, kind: str, slot: int) -> Any:
        """The type of an output; None where it is unknown."""
        types = self.classes.get(kind, {}).get("output", [])
        return types[slot] if slot < len(types) else None

    def lists(self, kind: str) -> bool:
        """Whether an output of the class is a list, for each item of which the nodes behind run."""
        return any(self.classes.get(kind, {}).get("output_is_list", ()))

    def is_output(self, kind: str) -> bool:
        """Whether the server runs a node of the class for its own sake; True where it is unknown."""
        return bool(self.classes.get(kind, {}).get("output_node", True))


def choices(type_: Any, options: dict[str, Any]) -> list[Any]:
    """What an input offers that is declared so; [] where it is no combo. The older form is the list itself."""
    if isinstance(type_, list):
        return type_
    return options.get("options", []) if type_ == "COMBO" else []


def link(value: object) -> Link | None:
    """The link that an input's value is, None if it is a value of its own."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and type(value[1]) is int:
        return value[0], value[1]
    return None


def links(node: Node) -> Iterator[tuple[str, Link]]:
    """The linked inputs of a node, by name."""
    for name, value in node["inputs"].items():
        if (found := link(value)) is not None:
            yield name, found


def above(prompt: Prompt, nodes: Collection[str]) -> set[str]:
    """The nodes with everything they depend on."""
    found: set[str] = set()
    waiting = list(nodes)
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += [source for _, (source, _) in links(prompt[name])]
    return found


def pruned(prompt: Prompt, nodes: Collection[str]) -> Prompt:
    """The part of the prompt that the nodes need."""
    kept = above(prompt, nodes)
    return {name: node for name, node in prompt.items() if name in kept}


def ends(prompt: Prompt) -> list[str]:
    """The nodes that no other node depends on."""
    used = {source for node in prompt.values() for _, (source, _) in links(node)}
    return [name for name in prompt if name not in used]


def value(prompt: Prompt, place: Place) -> Any:
    return prompt[place.node]["inputs"][place.input]


def with_values(prompt: Prompt, values: dict[Place, Any]) -> Prompt:
    """The prompt with inputs set; what is not set is shared with the one that was given, which stays as it is."""
    changed = dict(prompt)
    for place, new in values.items():
        node = changed[place.node]
        changed[place.node] = {**node, "inputs": {**node["inputs"], place.input: new}}
    return changed


def named(prompt: Prompt, node: str) -> str:
    """A node for an error message: its id and class, and its title where it has one of its own."""
    kind, title = prompt[node]["class_type"], prompt[node].get("_meta", {}).get("title")
    return f"{node} ({kind}{f', {title!r}' if title and title != kind else ''})"


def is_api(content: object) -> bool:
    return (
        isinstance(content, dict)
        and bool(content)
        and all(isinstance(node, dict) and isinstance(node.get("class_type"), str) for node in content.values())
    )


def check(prompt: Prompt) -> None:
    """Raise ValueError for a node without inputs, and for a link to a node that is not there."""
    for name, node in prompt.items():
        if not isinstance(node.get("inputs"), dict):
            raise ValueError(
                f"workflow: node {named(prompt, name)} has no inputs. Export it again by Workflow > Export (API)."
            )
        for input_, (source, _) in links(node):
            if source not in prompt:
                raise ValueError(
                    f"workflow: {input_} of node {named(prompt, name)} is linked to node {source}, which is not there. "
                    "Export it again by Workflow > Export (API)."
                )

"""From a workflow as the front end saves it (UI format, version 0.4) to a prompt as the server takes it (API format).
Standard library only; knows no node by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
_WITHOUT_MEANING = ("MarkdownNote", "Note")


def to_prompt(workflow: dict[str, Any], nodes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The API prompt of a flat workflow.

    nodes: the server's /object_info, which says what inputs each class has and in which order. Raises ValueError for a
    node the server does not know.
    """
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    return {
        str(node["id"]): {"class_type": node["type"], "inputs": _inputs(node, nodes, sources)}
        for node in workflow["nodes"]
        if node["type"] not in _WITHOUT_MEANING
    }


def _inputs(node: dict[str, Any], nodes: dict[str, Any], sources: dict[int, list[Any]]) -> dict[str, Any]:
    if node["type"] not in nodes:
        raise ValueError(f"ComfyUI has no node {node['type']}.")
    values = dict(zip(_widgets(nodes[node["type"]]["input"]), node.get("widgets_values") or [], strict=False))
    values.pop(None, None)
    linked = {slot["name"]: sources[slot["link"]] for slot in node.get("inputs", []) if slot.get("link") is not None}
    return values | linked


def _widgets(declared: dict[str, Any]) -> Iterator[str | None]:
    """The inputs that are widgets, in the order of widgets_values; None for what follows a seed (fixed, randomize ...)."""
    for name, (kind, *rest) in (declared.get("required", {}) | declared.get("optional", {})).items():
        options = rest[0] if rest else {}
        if (kind in _WIDGETS or isinstance(kind, list)) and not options.get("forceInput"):
            yield name
            if options.get("control_after_generate"):
                yield None

"""From a workflow as ComfyUI's page saves it (UI format) to a prompt as the server takes it (API format), as the page's Export (API) does.
Standard library only.

Covered: widgets in their order with what follows a seed, linked widgets, notes, reroutes, primitives, muted and bypassed nodes, and subgraphs.
Helpers that only a pack's own script understands (Set and Get nodes, group nodes) and inputs that grow in the page are refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .graph import Prompt, choices

ADVICE = "Open it in ComfyUI, save it by Workflow > Export (API), and use that file."
_WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
_NOTES = ("MarkdownNote", "Note")
_REROUTE, _PRIMITIVE = "Reroute", "PrimitiveNode"
_AFTER_A_SEED = ("fixed", "increment", "increment-wrap", "decrement", "randomize")
_SEEDS = ("seed", "noise_seed")
_MUTED, _BYPASSED = 2, 4
_INPUTS, _OUTPUTS = -10, -20  # the ids of a subgraph's two ends
_DEEPEST = 500  # links that may follow one another through reroutes, bypassed nodes and subgraphs
_KINDS: dict[str, type | tuple[type, ...]] = {
    "INT": (int, float),
    "FLOAT": (int, float),
    "STRING": str,
    "BOOLEAN": bool,
}


@dataclass(frozen=True)
class _Value:
    """What a primitive gives to the inputs that are linked to it."""

    value: Any


@dataclass(frozen=True)
class _Scope:
    """The nodes of the workflow, or of one use of a subgraph: host is the node that stands for it in the scope outside."""

    nodes: dict[int, dict[str, Any]]
    links: dict[int, tuple[int, int]]
    subgraphs: dict[str, dict[str, Any]]
    prefix: str = ""
    outside: _Scope | None = None
    host: dict[str, Any] = field(default_factory=dict)

    def inside(self, host: dict[str, Any]) -> _Scope:
        graph = self.subgraphs[host["type"]]
        return _Scope(_by_id(graph), _links(graph), self.subgraphs, f"{self.prefix}{host['id']}:", self, host)


def is_ui(content: object) -> bool:
    return (
        isinstance(content, dict) and isinstance(content.get("nodes"), list) and isinstance(content.get("links"), list)
    )


def to_prompt(workflow: dict[str, Any], classes: dict[str, Any]) -> Prompt:
    """classes: the server's /object_info, which says what inputs each class has and in which order.

    Raises ValueError for a node that the server does not know, and for what cannot be converted, with what to do.
    """
    try:
        subgraphs = {graph["id"]: graph for graph in workflow.get("definitions", {}).get("subgraphs", ())}
        return dict(_converted(_Scope(_by_id(workflow), _links(workflow), subgraphs), classes))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"workflow: not a workflow as ComfyUI's page saves it ({error!r}). {ADVICE}") from error


def _by_id(graph: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {node["id"]: node for node in graph["nodes"]}


def _links(graph: dict[str, Any]) -> dict[int, tuple[int, int]]:
    """By a link's id the node and output that it comes from: links are lists or, in subgraphs and newer files, objects."""
    each = (
        (link["id"], link["origin_id"], link["origin_slot"]) if isinstance(link, dict) else link[:3]
        for link in graph["links"]
    )
    return {name: (node, slot) for name, node, slot in each}


def _converted(scope: _Scope, classes: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for node in scope.nodes.values():
        kind = node["type"]
        if node.get("mode", 0) in (_MUTED, _BYPASSED) or kind in (*_NOTES, _REROUTE, _PRIMITIVE):
            continue
        if kind in scope.subgraphs:
            if len(scope.prefix) > _DEEPEST:
                raise ValueError(f"workflow: a subgraph that holds itself. {ADVICE}")
            yield from _converted(scope.inside(node), classes)
        elif kind in classes:
            title = node.get("title") or classes[kind].get("display_name") or kind
            yield (
                f"{scope.prefix}{node['id']}",
                {"class_type": kind, "inputs": _inputs(scope, node, classes[kind]), "_meta": {"title": title}},
            )
        elif _is_linked(node):
            raise ValueError(
                f"workflow: node {scope.prefix}{node['id']} is a {kind}, which this ComfyUI does not have. Install the pack that it belongs to. "
                f"If it is a helper of the page alone: {ADVICE}"
            )


def _is_linked(node: dict[str, Any]) -> bool:
    ins = (slot.get("link") for slot in node.get("inputs") or ())
    outs = (link for slot in node.get("outputs") or () for link in slot.get("links") or ())
    return any(link is not None for link in (*ins, *outs))


def _inputs(scope: _Scope, node: dict[str, Any], declared: dict[str, Any]) -> dict[str, Any]:
    found = _values(node, declared["input"])
    for slot in node.get("inputs") or ():
        if slot.get("link") is None:
            continue
        source = _source(scope, slot["link"])
        if isinstance(source, _Value):
            found[slot["name"]] = source.value
        elif source is not None:
            found[slot["name"]] = source
    return found


def _source(scope: _Scope, link: int, depth: int = 0) -> list[Any] | _Value | None:
    """What a link brings: [node, output], a primitive's value, None for nothing (a muted node, an open end)."""
    if depth > _DEEPEST:
        raise ValueError(f"workflow: links that go round in a circle. {ADVICE}")
    origin, slot = scope.links[link]
    if origin == _INPUTS:
        return _from_outside(scope, slot, depth)
    node = scope.nodes[origin]
    if node.get("mode", 0) == _MUTED:
        return None
    if node.get("mode", 0) == _BYPASSED or node["type"] == _REROUTE:
        passed = _passed(node, slot)
        return None if passed is None else _source(scope, passed, depth + 1)
    if node["type"] == _PRIMITIVE:
        return _Value(node["widgets_values"][0])
    if node["type"] in scope.subgraphs:
        inner = scope.subgraphs[node["type"]]["outputs"][slot].get("linkIds") or ()
        return _source(scope.inside(node), inner[0], depth + 1) if inner else None
    return [f"{scope.prefix}{origin}", slot]


def _from_outside(scope: _Scope, slot: int, depth: int) -> list[Any] | _Value | None:
    """What a subgraph's input brings: what is linked to the node that stands for it, or the value of the widget that it shows there."""
    assert scope.outside is not None
    name = scope.subgraphs[scope.host["type"]]["inputs"][slot]["name"]
    inputs: list[dict[str, Any]] = scope.host.get("inputs") or []
    found = next((each for each in inputs if each["name"] == name), {})
    if found.get("link") is not None:
        return _source(scope.outside, found["link"], depth + 1)
    shown = [each["name"] for each in inputs if each.get("widget")]
    values = scope.host.get("widgets_values") or []
    if name not in shown or len(values) != len(shown):
        return None  # the value is that of the widget inside
    value = values[shown.index(name)]
    return None if value is None else _Value(value)


def _passed(node: dict[str, Any], slot: int) -> int | None:
    """The link that a bypassed node or a reroute passes on to an output: that of the input at its place if it has the
    output's type, else of the first one that has."""
    inputs = node.get("inputs") or []
    if node["type"] == _REROUTE:
        return inputs[0].get("link")
    wanted = node["outputs"][slot]["type"]
    order = [*inputs[slot : slot + 1], *inputs]
    return next(
        (each["link"] for each in order if each["type"] in (wanted, "*") and each.get("link") is not None), None
    )


def _values(node: dict[str, Any], declared: dict[str, Any]) -> dict[str, Any]:
    """The values of the widgets by name; the declared default of a widget that the file is too old for."""
    saved = node.get("widgets_values") or []
    slots = {slot["widget"]["name"] for slot in node.get("inputs") or () if slot.get("widget")}
    widgets = list(_widgets(node, declared, slots))
    if isinstance(saved, dict):
        given = {name: saved[name] for name, _, _ in widgets if name in saved}
    else:
        given = _in_order(node, widgets, list(saved))
    defaults = {name: _default(kind, options) for name, kind, options in widgets if name is not None}
    return {name: value for name, value in {**defaults, **given}.items() if value is not None or name in given}


_Widget = tuple[Any, Any, dict[str, Any]]  # name (None: a button of the page), type and options


def _widgets(node: dict[str, Any], declared: dict[str, Any], slots: set[str]) -> Iterator[_Widget]:
    """In the order of widgets_values. slots: the inputs that the page saved as widgets, whatever their type."""
    for group in ("required", "optional"):
        button = False
        for name, (kind, *rest) in (declared.get(group) or {}).items():
            options = rest[0] if rest and isinstance(rest[0], dict) else {}
            if isinstance(kind, str) and kind.startswith("COMFY_"):
                raise ValueError(
                    f"workflow: {name} of node {node['id']} ({node['type']}) changes its inputs in the page. {ADVICE}"
                )
            known = kind in _WIDGETS or isinstance(kind, list) or "widgetType" in options
            if (known and not options.get("forceInput")) or name in slots:
                yield name, kind, options
            button |= any(key.endswith("_upload") and value for key, value in options.items())
        if button:
            yield None, None, {}


def _in_order(node: dict[str, Any], widgets: list[_Widget], saved: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, kind, options in widgets:
        if not saved:
            break
        value = saved.pop(0)
        if name is None:
            continue
        if isinstance(kind, str) and value is not None and not _is(kind, value):
            raise ValueError(
                f"workflow: {name} of node {node['id']} ({node['type']}) takes {kind}, the file has {value!r}: it was saved with another "
                f"version of the node. {ADVICE}"
            )
        found[name] = value
        controlled = options.get("control_after_generate") or (kind == "INT" and name in _SEEDS)
        if controlled and saved and saved[0] in _AFTER_A_SEED:
            saved.pop(0)
    return found


def _is(kind: str, value: object) -> bool:
    if kind not in _KINDS:
        return True
    return isinstance(value, _KINDS[kind]) and (kind == "BOOLEAN" or not isinstance(value, bool))


def _default(kind: Any, options: dict[str, Any]) -> Any:
    return options.get("default", next(iter(choices(kind, options)), None))

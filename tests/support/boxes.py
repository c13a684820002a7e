"""The boxes of a page's nodes and groups as they are drawn, in LiteGraph and in Nodes 2.0, in the canvas's units."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Page

TITLE = 30  # above a node's position
Box = tuple[float, float, float, float]  # left, top, right, bottom

_MEASURED = """() => {
  const { canvas, rootGraph, graph } = window.app, { scale, offset } = canvas.ds;
  const frame = canvas.canvas.getBoundingClientRect();
  const vue = window.LiteGraph.vueNodesMode;
  const drawn = ({ id }) => {
    const element = document.querySelector(`[data-node-id="${id}"]`);
    if (!element) return null;
    const { left, top, right, bottom } = element.getBoundingClientRect();
    const at = (value, start, shift) => (value - start) / scale - shift;
    return [at(left, frame.left, offset[0]), at(top, frame.top, offset[1]), at(right, frame.left, offset[0]), at(bottom, frame.top, offset[1])];
  };
  const painted = ({ boundingRect: [x, y, width, height] }) => [x, y, x + width, y + height];
  const root = rootGraph ?? graph;
  return {
    nodes: root.nodes.map((node) => ({ name: `${node.title} (#${node.id})`, kind: node.type, pos: [...node.pos], box: vue ? drawn(node) : painted(node) })),
    groups: root.groups.map(({ pos, size }) => [pos[0], pos[1], pos[0] + size[0], pos[1] + size[1]]),
  };
}"""
_SHOW_ALL = """() => {
  const { canvas, rootGraph, graph } = window.app, { nodes } = rootGraph ?? graph;
  const least = (pick) => Math.min(...nodes.map(pick)), most = (pick) => Math.max(...nodes.map(pick));
  const [left, top] = [least(({ pos }) => pos[0]), least(({ pos }) => pos[1]) - 60];
  const [width, height] = [most(({ pos, size }) => pos[0] + size[0]) - left, most(({ pos, size }) => pos[1] + size[1]) + 150 - top];
  canvas.ds.scale = Math.min(1, 1380 / width, 880 / height);
  canvas.ds.offset = [90 / canvas.ds.scale - left, 90 / canvas.ds.scale - top];
  canvas.setDirty(true, true);
}"""


def show_all(page: Page) -> None:
    """Zoom out until every node is in the window."""
    page.evaluate(_SHOW_ALL)


def measured(page: Page) -> dict[str, Any]:
    """`nodes` and `groups` once they have come to rest: every node drawn where its graph has it, and no box changing any more."""
    before = None
    for _ in range(60):
        page.wait_for_timeout(250)
        found = page.evaluate(_MEASURED)
        if found == before and all(_in_place(node) for node in found["nodes"]):
            return found
        before = found
    raise AssertionError(f"The nodes do not come to rest: {[node for node in found['nodes'] if not _in_place(node)]}")


def _in_place(node: dict[str, Any]) -> bool:
    return node["box"] is not None and all(
        abs(drawn - wanted) < 3
        for drawn, wanted in zip(node["box"][:2], (node["pos"][0], node["pos"][1] - TITLE), strict=True)
    )


def overlaps(nodes: list[dict[str, Any]]) -> Iterator[str]:
    """Every two nodes of which one covers a part of the other."""
    for first, second in itertools.combinations(nodes, 2):
        (left, top, right, bottom), (left_2, top_2, right_2, bottom_2) = first["box"], second["box"]
        if min(right, right_2) - max(left, left_2) > 1 and min(bottom, bottom_2) - max(top, top_2) > 1:
            yield f"{first['name']} and {second['name']}"


def inside(box: Box, frame: Box) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]

"""The parts of an HTML page. Every text is escaped where the page is written, by xml.etree. Standard library only."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

Part = ElementTree.Element
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # nothing in the page runs or is fetched
_STYLE = """
:root { color-scheme: light; --ink: #1f2430; --muted: #6b7280; --line: #e5e7eb; --chosen: #d9480f; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff; max-width: 1200px; margin: 0 auto; padding: 24px; }
h1 { font-size: 28px; line-height: 1.25; margin: 0 0 8px; } h2 { font-size: 20px; margin: 40px 0 8px; } h3 { font-size: 16px; margin: 24px 0 4px; }
p { margin: 6px 0; max-width: 78ch; } .muted { color: var(--muted); font-size: 14px; overflow-wrap: anywhere; }
.plot { max-width: 100%; height: auto; display: block; margin: 12px 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 14px; margin: 12px 0; }
th, td { text-align: right; padding: 5px 12px; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; vertical-align: top; }
th { color: var(--muted); font-weight: 600; } .text { text-align: left; overflow-wrap: anywhere; max-width: 56ch; }
tr.chosen td { font-weight: 700; color: var(--chosen); }
.prompt { margin: 16px 0; break-inside: avoid; } .images { display: flex; gap: 12px; flex-wrap: wrap; } figure { margin: 0; }
figure img, .none { width: 192px; height: 192px; object-fit: contain; background: #f3f4f6; border-radius: 4px; display: block; }
.none { color: var(--muted); font-size: 13px; line-height: 192px; text-align: center; } figcaption { font-size: 13px; color: var(--muted); }
"""


def part(tag: str, *children: str | Part, kind: str = "", **attributes: str) -> Part:
    """An element. kind: its class."""
    made = ElementTree.Element(tag, {**attributes, **({"class": kind} if kind else {})})
    for child in children:
        if not isinstance(child, str):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + child
        else:
            made.text = (made.text or "") + child
    return made


def section(title: str, *children: Part) -> Part:
    return part("section", part("h2", title), *children)


def table(head: Sequence[str], lines: Iterable[tuple[str, Sequence[str]]], text: Sequence[str] = ()) -> Part:
    """lines: each one's class and cells. text: the columns that hold words."""
    kinds = ["text" if name in text else "" for name in head]

    def line(tag: str, cells: Sequence[str], kind: str = "") -> Part:
        return part("tr", *(part(tag, cell, kind=each) for cell, each in zip(cells, kinds, strict=True)), kind=kind)

    body = part("tbody", *(line("td", cells, kind) for kind, cells in lines))
    return part("div", part("table", part("thead", line("th", head)), body), kind="wide")


def image(data: bytes, form: str, described: str, kind: str = "") -> Part:
    """form: the file's media type. described: for those who cannot see it."""
    return part("img", src=f"data:{form};base64,{base64.b64encode(data).decode()}", alt=described, kind=kind)


def page(title: str, *children: Part) -> str:
    """The whole document, which needs no other file."""
    head = part(
        "head",
        part("meta", charset="utf-8"),
        part("meta", **{"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        part("meta", name="viewport", content="width=device-width"),
        part("title", title),
        part("style", _STYLE),
    )
    document = part("html", head, part("body", *children), lang="en")
    return "<!doctype html>\n" + ElementTree.tostring(document, "unicode", method="html") + "\n"

"""What must be equal on all workers, and in all runs into one folder: ComfyUI, PyTorch, the packs and the models of a graph.
Knows a worker's ComfyUI by what it answers, and reads the files where that says they are.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .graph import Declared
from .server import Prompt, Server

Fingerprint = dict[str, str]  # what -> which

_PACKS = "custom_nodes."
_ASIDE = ("tests", "demo", "benchmarks", "docs", "evaluate")  # folders of a pack's checkout
_BLOCK = 1 << 24


async def fingerprint(server: Server, graph: Prompt, nodes: Mapping[str, Any]) -> Fingerprint:
    """Of one worker. nodes: its /object_info. Raises ValueError if it lacks a node or a model of the graph."""
    _check(graph, nodes)
    system = (await server.get("/system_stats"))["system"]
    found = {"ComfyUI": system["comfyui_version"], "PyTorch": system["pytorch_version"]}
    base = Path(server.settings.base or server.settings.comfyui)
    packs = {nodes[node["class_type"]].get("python_module", "") for node in graph.values()}
    for module in sorted(pack for pack in packs if pack.startswith(_PACKS)):
        name = module.removeprefix(_PACKS)
        found[f"pack {name}"] = _digest(_sources((base / "custom_nodes" / name).resolve()))
    folders = await server.get("/experiment/models")
    for name, path in _models(graph, folders):
        found[f"model {name}"] = _digest(sorted(path.rglob("*")) if path.is_dir() else [path])
    return found


def summary(found: Fingerprint) -> str:
    """Short, for the table."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


def differences(expected: Fingerprint, got: Fingerprint, names: tuple[str, str] = ("expected", "got")) -> list[str]:
    """What differs, a line each."""
    changed = (what for what in sorted({*expected, *got}) if expected.get(what) != got.get(what))
    return [
        f"{what}: {names[0]} {expected.get(what, 'missing')}, {names[1]} {got.get(what, 'missing')}" for what in changed
    ]


def _check(graph: Prompt, nodes: Mapping[str, Any]) -> None:
    missing = sorted({node["class_type"] for node in graph.values()} - {*nodes})
    if missing:
        raise ValueError(f"its ComfyUI has no node {', '.join(missing)}. Install the pack it belongs to.")
    declared = Declared(dict(nodes))
    for node in graph.values():
        for name, value in node["inputs"].items():
            choices = declared.choices(node["class_type"], name)
            if choices and isinstance(value, str) and value not in choices:
                raise ValueError(
                    f"{node['class_type']}.{name}: there is no {value!r}, only {', '.join(map(str, choices[:8]))}"
                    f"{' ...' if len(choices) > 8 else ''}. Put the file where this worker's ComfyUI looks for it."
                )


def _models(graph: Prompt, folders: list[dict[str, Any]]) -> Iterator[tuple[str, Path]]:
    """The files and folders below ComfyUI's model folders that the graph names, each once."""
    named = {value for node in graph.values() for value in node["inputs"].values() if isinstance(value, str) and value}
    for value in sorted(named):
        for folder in folders:
            place = next((each for each in map(Path, folder["folders"]) if _below(each, value)), None)
            if place is not None:
                yield f"{folder['name']}/{value}", place / value


def _below(folder: Path, name: str) -> bool:
    try:
        path = (folder / name).resolve()
        return (
            path != folder.resolve()
            and (folder / name).exists()
            and ".." not in Path(name).parts
            and not Path(name).is_absolute()
        )
    except (OSError, ValueError):  # a text too long for a path, or with a null byte
        return False


def _sources(pack: Path) -> list[Path]:
    """Without what never makes an image: tests and the like beside the nodes."""
    return [path for path in sorted(pack.rglob("*.py")) if path.relative_to(pack).parts[0] not in _ASIDE]


def _digest(paths: list[Path]) -> str:
    """Of the files' names and contents."""
    found = hashlib.sha256()
    for path in paths:
        if path.is_file():
            found.update(f"{path.name}\0{_content(path)}\n".encode())
    return found.hexdigest()[:16]


def _content(path: Path) -> str:
    """The SHA-256 of a file, remembered on this machine for as long as the file stays as it is: models are large."""
    stat = path.stat()
    seen = hashlib.sha256(f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}".encode()).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deradiff" / "hashes" / seen
    if stat.st_size > _BLOCK and cache.is_file():
        return cache.read_text("ascii")
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    if stat.st_size > _BLOCK:
        cache.parent.mkdir(parents=True, exist_ok=True)
        part = cache.with_suffix(f".{os.getpid()}")
        part.write_text(found.hexdigest(), "ascii")
        part.replace(cache)
    return found.hexdigest()

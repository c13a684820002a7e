"""A fresh ComfyUI process that loads its nodes and then the packs in a base folder, and writes down what it found.
Run as: python start_comfyui.py BASE RESULT
"""

from __future__ import annotations

import asyncio
import json
import locale
import os
import sys
import time
from pathlib import Path
from types import FrameType


def _options(base: str) -> None:
    sys.path.insert(0, os.environ["COMFYUI_PATH"])
    import comfy.options

    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args

    args.cpu, args.base_directory = True, base


def _of_packs(base: str) -> list[str]:
    """The loaded modules of packs, which core names by their path."""
    return [name for name in sys.modules if name.startswith(base.replace(".", "_x_"))]


def _load(base: str) -> None:
    """The packs as if for the first time, by core's loader."""
    import nodes

    for name in _of_packs(base):
        del sys.modules[name]
    asyncio.run(nodes.init_external_custom_nodes())


def _seconds(base: str) -> float:
    started = time.perf_counter()
    _load(base)
    return time.perf_counter() - started


def _calls(base: str) -> int:
    """How many functions, in Python and in C, one loading calls: its cost in a unit that a busy machine does not change."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        _load(base)
    finally:
        sys.setprofile(None)
    return calls


def main(base: str, result: str) -> None:
    """Load everything in BASE/custom_nodes by core's loader, several times; write the findings to RESULT as JSON."""
    _options(base)
    from app.custom_node_manager import CustomNodeManager

    import nodes

    asyncio.run(nodes.init_builtin_extra_nodes())
    core, loaded = set(nodes.NODE_CLASS_MAPPINGS), set(sys.modules)
    seconds = [_seconds(base) for _ in range(7)]
    ours = {id_: node for id_, node in nodes.NODE_CLASS_MAPPINGS.items() if id_ not in core}
    found = {
        "nodes": {id_: node.RELATIVE_PYTHON_MODULE for id_, node in ours.items()},
        "display_names": {id_: nodes.NODE_DISPLAY_NAME_MAPPINGS.get(id_) for id_ in ours},
        "web": nodes.EXTENSION_WEB_DIRS,
        "encoding": locale.getpreferredencoding(False),
        "translations": CustomNodeManager().build_translations(),
        "modules": sorted({*sys.modules} - loaded - {*_of_packs(base)}),
        "seconds": seconds,
        "calls": _calls(base),
    }
    Path(result).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

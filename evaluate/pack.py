"""Makes this checkout importable as the package `deradiff` where ComfyUI is not: its rooms, without the nodes' sockets.
Standard library only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

CHECKOUT = Path(__file__).resolve().parent.parent


def make_importable() -> None:
    """`deradiff.evaluate` and `deradiff.nodes.<room>` can be imported from now on. `deradiff.nodes` itself, which gathers
    the sockets and needs ComfyUI, is an empty package, unless ComfyUI or a test has imported the whole pack before."""
    for name, folder in (("deradiff", CHECKOUT), ("deradiff.nodes", CHECKOUT / "nodes")):
        if name not in sys.modules:
            package = ModuleType(name)
            package.__path__ = [str(folder)]
            sys.modules[name] = package

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
    the sockets and needs ComfyUI, is an empty package. Nothing is done where the whole pack was imported before.
    """
    if "deradiff" in sys.modules:
        return
    for name, folder in (("deradiff", CHECKOUT), ("deradiff.nodes", CHECKOUT / "nodes")):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package

"""ComfyUI-DeRaDiff: decoding-time realignment of diffusion models (DeRaDiff, arXiv 2601.20198).
Does nothing at import time but name the web folder; the nodes are imported when ComfyUI asks for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .nodes import DeRaDiffExtension

WEB_DIRECTORY = "./js"


async def comfy_entrypoint() -> DeRaDiffExtension:
    """Called once by ComfyUI at start-up."""
    from .nodes import DeRaDiffExtension

    return DeRaDiffExtension()

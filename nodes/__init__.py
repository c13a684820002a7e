"""The pack's nodes, gathered for ComfyUI.
May import the modules beside it; nothing imports this package by its absolute name, which is ComfyUI's own.
"""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import load, pick, realign_model, sample, score, sweep


class DeRaDiffExtension(ComfyExtension):
    """What ComfyUI asks for the list of nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [*load.NODES, *realign_model.NODES, *sample.NODES, *score.NODES, *pick.NODES, *sweep.NODES]

"""The pack's nodes, gathered for ComfyUI."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import load, pick, realign_model, sample, schedule, score, sweep, viewer


class DeRaDiffExtension(ComfyExtension):
    """What ComfyUI asks for the list of nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        modules = (load, realign_model, sample, schedule, score, pick, sweep, viewer)
        return [node for module in modules for node in module.NODES]

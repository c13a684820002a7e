"""The pack's nodes, gathered for ComfyUI."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import (
    find_lambda,
    guard,
    lambda_from_beta,
    lambda_schedule,
    lambda_sweep,
    load,
    pick,
    prompts,
    realign,
    sample,
    score,
    temporal_alignment,
    train_predictor,
    viewer,
)


class DeRaDiffExtension(ComfyExtension):
    """The extension that gives ComfyUI the list of nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        modules = (
            *(load, realign, guard, lambda_from_beta, sample, lambda_schedule),
            *(score, pick, lambda_sweep, viewer, prompts, find_lambda),
            *(train_predictor, temporal_alignment),
        )
        return [node for module in modules for node in module.NODES]

"""Prompts in API format, small enough to be read, and what of them a recipe sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deradiff.evaluate.graph import Place, Prompt
from deradiff.evaluate.recipe import Recipe

Load = Callable[..., Recipe]


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def simple(**changed: Any) -> Prompt:
    """A checkpoint pair sampled once. changed: nodes in place of these, or more of them."""
    sampling = {"seed": 1, "steps": 2, "cfg": 5.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    wires = {"positive": ["positive", 0], "negative": ["negative", 0], "latent_image": ["latent", 0]}
    return {
        "pair": node("DeRaDiffLoadCheckpointPair", reference="a.safetensors", aligned="b.safetensors"),
        "positive": node("CLIPTextEncode", clip=["pair", 2], text="a house"),
        "negative": node("CLIPTextEncode", clip=["pair", 2], text="blurry"),
        "latent": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "sampler": node("DeRaDiffKSampler", reference=["pair", 0], aligned=["pair", 1], **{"lambda": 0.5}, evaluation="exact", **sampling, **wires),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["pair", 3]),
        "save": node("SaveImage", images=["decode", 0], filename_prefix="x"),
        **changed,
    }  # fmt: skip


def places(found: tuple[Place, ...] | None) -> list[str]:
    return sorted(map(str, found or ()))

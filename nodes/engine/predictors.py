"""A time predictor beside a MODEL: whether it fits, the ModelPatcher by which core loads and offloads it, and where it looks on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import comfy.model_patcher
import torch
from comfy.model_patcher import ModelPatcher

from ..method.noise_level import level_range, signal_at_even_noise
from ..method.predictor_card import Space, TimePredictor
from ..method.time_predictor import Bins


def space_of(model: ModelPatcher) -> Space:
    """The noised latents that a MODEL works on. Raises ValueError for a model that adds no noise."""
    latents: Any = model.get_model_object("latent_format")
    sampling: Any = model.get_model_object("model_sampling")
    level_range(sampling)
    return Space(type(latents).__name__, latents.latent_channels, signal_at_even_noise(sampling))


def bins_of(model: ModelPatcher) -> Bins:
    """Bins over the levels that a MODEL samples at. Raises ValueError for a model that adds no noise."""
    sampling: Any = model.get_model_object("model_sampling")
    return Bins(*level_range(sampling))


def check_fits(predictor: TimePredictor, model: ModelPatcher) -> None:
    """Raise ValueError unless the predictor was trained on the latents that the model works on."""
    space = space_of(model)
    if not predictor.card.space.fits(space):
        raise ValueError(
            f"predictor: expected one for this MODEL ({space}), but {predictor.name} was trained on {predictor.card.space}. "
            "Load a predictor that fits, or train one with this MODEL."
        )


def check_latent(predictor: TimePredictor, noise: torch.Tensor) -> None:
    """Before a run: raise ValueError unless its latents are of the shape that the predictor reads."""
    nested, channels = getattr(noise, "is_nested", False), predictor.card.space.channels
    if nested or noise.ndim not in (4, 5) or noise.shape[1] != channels:
        came = "several latents in one" if nested else f"a latent of shape {tuple(noise.shape)}"
        raise ValueError(
            f"predictor: {predictor.name} reads latents of shape (B, {channels}, H, W) or (B, {channels}, T, H, W), but {came} is "
            "sampled. Take the Temporal Alignment node out, or sample a latent of the kind that the predictor was trained on."
        )


def beside(predictor: TimePredictor, model: ModelPatcher) -> ModelPatcher:
    """The predictor as an additional model, on the model's device; streamed where this ComfyUI streams its models.

    A clone of a patcher that lives as long as the predictor: core takes a module that outlives its patchers for a leak.
    """
    device = model.load_device
    if device not in predictor.patchers:
        predictor.patchers[device] = _managed(predictor.network, device, model.offload_device)
    return predictor.patchers[device].clone()


def _managed(network: torch.nn.Module, load_device: torch.device, offload_device: torch.device) -> ModelPatcher:
    """Current ComfyUI also asks how to make it again, for its split over several GPUs."""
    kind: Any = getattr(comfy.model_patcher, "CoreModelPatcher", ModelPatcher)
    patcher = kind(network, load_device, offload_device)
    if hasattr(patcher, "cached_patcher_init"):
        patcher.cached_patcher_init = (_again, (network, load_device, offload_device))
    return patcher


def _again(network: torch.nn.Module, load_device: torch.device, offload_device: torch.device) -> ModelPatcher:
    return _managed(copy.deepcopy(network), load_device, offload_device)


def add_outermost(model: ModelPatcher, kind: str, key: str, wrapper: Callable) -> None:
    """Add a wrapper around those that the model has; a later one of another key comes inside.

    Around that of a realigned MODEL above all, which evaluates its reference only where that has a weight.
    """
    before = {name: model.get_wrappers(kind, name) for name in model.wrappers.get(kind, {})}
    for name in before:
        model.remove_wrappers_with_key(kind, name)
    model.add_wrapper_with_key(kind, key, wrapper)
    for name, wrappers in before.items():
        for each in wrappers:
            model.add_wrapper_with_key(kind, name, each)

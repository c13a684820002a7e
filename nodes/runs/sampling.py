"""One sampling run as in core's KSampler nodes: noise, latent, previews, progress, result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
import torch
from comfy.model_patcher import ModelPatcher

from ..method import limits
from ..method.limits import quoted

_MOST_STEPS, _MOST_CFG, _LEAST_DENOISE = 10_000, 100.0, 1e-4


@dataclass(frozen=True)
class Settings:
    """The settings of a KSampler node. start_step, last_step: of the whole schedule; None means its own end."""

    seed: int
    steps: int
    cfg: float
    sampler_name: str
    scheduler: str
    denoise: float = 1.0
    add_noise: bool = True
    start_step: int | None = None
    last_step: int | None = None
    force_full_denoise: bool = False

    def check(self) -> None:
        """Raise ValueError for a sampler or scheduler that this ComfyUI does not have, which core would silently replace by another,
        and for numbers that no widget gives: NaN, or a schedule of so many steps that the machine would run out of memory.
        """
        for name, value, known in (
            ("sampler_name", self.sampler_name, comfy.samplers.KSampler.SAMPLERS),
            ("scheduler", self.scheduler, comfy.samplers.KSampler.SCHEDULERS),
        ):
            if value not in known:
                raise ValueError(f"{name}: this ComfyUI has no {quoted(value)}. Choose one of {', '.join(known)}.")
        limits.whole(self.seed, "seed", -(2**63), 2**64 - 1)
        limits.whole(self.start_step or 0, "start_at_step", 0, _MOST_STEPS)
        limits.whole(self.last_step or 0, "end_at_step", 0, _MOST_STEPS)
        limits.whole(self.steps, "steps", 1, _MOST_STEPS)
        limits.number(self.cfg, "cfg", 0.0, _MOST_CFG)
        limits.number(self.denoise, "denoise", 0.0, 1.0, "Use 1 to denoise the whole latent.")
        if 0 < self.denoise < _LEAST_DENOISE:
            raise ValueError(
                f"denoise must be 0 or at least {_LEAST_DENOISE:g}, got {quoted(self.denoise)}: the schedule has "
                "steps / denoise steps, of which only the last are run."
            )


def sample(
    model: ModelPatcher,
    settings: Settings,
    positive: list,
    negative: list,
    latent: dict,
    callback: Callable[..., None] | None = None,
) -> dict:
    """Sample from `model` and return the LATENT dict, as core's KSampler and KSampler (Advanced) would.

    callback: (step, denoised, x, steps) instead of core's preview and progress bar.
    latent: {"samples": (B, C, H, W) or (B, C, T, H, W), optional "noise_mask" and "batch_index", ...}. Raises ValueError.
    """
    settings.check()
    samples = _channels(model, latent)
    if settings.add_noise:
        noise = comfy.sample.prepare_noise(samples, settings.seed, latent.get("batch_index"))
    else:
        noise = torch.zeros(samples.size(), dtype=samples.dtype, layout=samples.layout, device="cpu")
    result = comfy.sample.sample(
        model,
        noise,
        settings.steps,
        settings.cfg,
        settings.sampler_name,
        settings.scheduler,
        positive,
        negative,
        samples,
        denoise=settings.denoise,
        disable_noise=not settings.add_noise,
        start_step=settings.start_step,
        last_step=settings.last_step,
        force_full_denoise=settings.force_full_denoise,
        noise_mask=latent.get("noise_mask"),
        callback=callback or latent_preview.prepare_callback(model, settings.steps),
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
        seed=settings.seed,
    )
    dropped = ("downscale_ratio_spacial", "downscale_ratio_temporal")
    return {**{key: value for key, value in latent.items() if key not in dropped}, "samples": result}


def _channels(model: ModelPatcher, latent: dict) -> torch.Tensor:
    """Give an empty latent the model's channels and size, with the hints that this ComfyUI's function takes."""
    fix = comfy.sample.fix_empty_latent_channels
    hints = ("downscale_ratio_spacial", "downscale_ratio_temporal")
    known = inspect.signature(fix).parameters
    return fix(model, latent["samples"], **{name: latent.get(name) for name in hints if name in known})

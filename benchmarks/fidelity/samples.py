"""Sampling the benchmark's models by ComfyUI's own samplers, with the KL that the engine estimates on the way."""

from __future__ import annotations

from dataclasses import dataclass

import network
import scenes
import torch
from comfy.model_patcher import ModelPatcher
from deradiff.nodes.runs.measured import measured_sample
from deradiff.nodes.runs.sampling import Settings, sample

BATCH = 10 * len(scenes.CAPTIONS)


@dataclass(frozen=True)
class Sampler:
    """A sampler of core's and its number of steps."""

    name: str
    steps: int
    scheduler: str = "normal"

    def settings(self, seed: int) -> Settings:
        return Settings(seed, self.steps, 1.0, self.name, self.scheduler)


@dataclass(frozen=True)
class Sampled:
    """latents: (N, C, H, W); captions: (N,); kl: (N,) nats from the reference, NaN where it was not measured."""

    latents: torch.Tensor
    captions: torch.Tensor
    kl: torch.Tensor


def captions(count: int) -> torch.Tensor:
    """The captions of `count` samples: all in turn."""
    return torch.arange(count) % len(scenes.CAPTIONS)


@torch.inference_mode()
def plain(model: ModelPatcher, sampler: Sampler, count: int, seed: int) -> Sampled:
    """`count` samples of one model, the batches from seeds seed, seed + 1 ..."""
    out = [
        sample(model, sampler.settings(seed + index), *_conditioning(), _empty(), _quiet)["samples"]
        for index in range(_batches(count))
    ]
    return Sampled(torch.cat(out).clone(), captions(count), torch.full((count,), float("nan")))


@torch.inference_mode()
def measured(realigned: ModelPatcher, sampler: Sampler, count: int, seed: int) -> Sampled:
    """`count` samples of a realigned MODEL, from the same noise as plain()'s, each with its KL from the MODEL's reference."""
    out, kl = [], []
    for index in range(_batches(count)):
        inputs = (sampler.settings(seed + index), *_conditioning(), _empty(), _quiet)
        found = measured_sample(realigned, *inputs, everywhere=True)
        out.append(found[0]["samples"])
        kl.append(torch.tensor(found[1].divergence.kl))
    return Sampled(torch.cat(out).clone(), captions(count), torch.cat(kl))


def _batches(count: int) -> int:
    if count % BATCH:
        raise ValueError(f"Expected a multiple of {BATCH} samples, got {count}.")
    return count // BATCH


def _conditioning() -> tuple[list, list]:
    """Each sample of a batch has its own caption. At cfg 1 the negative is not evaluated."""
    condition = [[network.contexts()[captions(BATCH)], {}]]
    return condition, condition


def _empty() -> dict[str, torch.Tensor]:
    return {"samples": torch.zeros(BATCH, scenes.CHANNELS, scenes.SIDE, scenes.SIDE)}


def _quiet(*_: object) -> None:
    """No previews."""

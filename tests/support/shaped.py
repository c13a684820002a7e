"""Sampling with lambda over the progress and over the image, by the pack's node and by hand, and the passes that it takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import comfy.model_management
import comfy.samplers
import pytest
import torch
from comfy.model_patcher import ModelPatcher
from deradiff.nodes.lambda_schedule import DeRaDiffLambdaSchedule
from deradiff.nodes.method.schedule import LambdaSchedule
from deradiff.nodes.realign import DeRaDiffRealign
from deradiff.nodes.runs import sampling
from deradiff.nodes.sample import DeRaDiffKSampler

from support import engine
from support.engine import Pair, Task

Share = float | torch.Tensor
FLAT = ((0.0, 1.0), (1.0, 1.0))


def schedule(
    points: Sequence[Sequence[float]] = FLAT, start: float = 0.0, end: float = 1.0, how: str = "monotone_cubic"
) -> LambdaSchedule:
    """The LAMBDA_SCHEDULE of the pack's node."""
    return DeRaDiffLambdaSchedule.execute(json.dumps([list(point) for point in points]), how, start, end)[0]


def realigned(reference: ModelPatcher, aligned: ModelPatcher, weight: float, **shape: object) -> ModelPatcher:
    """The MODEL of the pack's Realign Model node; shape: its schedule, mask and mask_feather."""
    return DeRaDiffRealign.execute(reference, aligned, evaluation="exact", **{"lambda": weight}, **shape)[0]


def by_us(pair: Pair, weight: float, task: Task | None = None, **shape: object) -> torch.Tensor:
    """The latent of the pack's KSampler; shape: its schedule, mask and mask_feather."""
    return with_kl(pair, weight, task, **shape)[0]


def with_kl(pair: Pair, weight: float, task: Task | None = None, **shape: object) -> tuple[torch.Tensor, float]:
    """The latent and the KL of the pack's KSampler."""
    settings = {**(task or pair.task).settings(), "evaluation": "exact", "lambda": weight, **shape}
    output = DeRaDiffKSampler.execute(pair.reference, pair.aligned, **settings)
    return output[0]["samples"], output[1]


def steps_of(model: ModelPatcher, task: Task) -> torch.Tensor:
    """The sigmas of a run, (steps + 1,)."""
    device = model.load_device
    return comfy.samplers.KSampler(model, task.steps, device, task.sampler_name, task.scheduler, task.denoise).sigmas


class _Loop(engine._Loop):
    """The hand-written loop with weights that change from step to step; keeps how far the models are apart."""

    def __init__(self, weights: Sequence[Sequence[Share]], guide: engine.Guidance) -> None:
        super().__init__((), guide)
        self.steps = iter(weights)
        self.apart: list[torch.Tensor] = []

    def denoised(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        found = []
        for guider, options in self.prepared:
            conds = [guider.conds["positive"], guider.conds["negative"]]
            found.append(comfy.samplers.calc_cond_batch(guider.inner_model, conds, x, sigma, options))
        shares = next(self.steps)
        mixed = [
            sum(share * one for share, one in zip(shares, branch, strict=True)) for branch in zip(*found, strict=True)
        ]
        self.apart.append((mixed[0] - found[0][0]).flatten(1).square().sum(dim=1))
        return self.guide(mixed, x, sigma)  # type: ignore[arg-type]


def by_hand(models: Sequence[ModelPatcher], weights: Sequence[Sequence[Share]], task: Task) -> torch.Tensor:
    """engine.by_hand with the weights of every step: numbers, or tensors over the latent."""
    return by_hand_apart(models, weights, task)[0]


def by_hand_apart(
    models: Sequence[ModelPatcher], weights: Sequence[Sequence[Share]], task: Task
) -> tuple[torch.Tensor, torch.Tensor]:
    """by_hand and, (steps, B), the squared distances of the conditional branch to the first model's."""
    loop = _Loop(weights, engine.plain_guidance(task.cfg))
    samples = task.latent["samples"]
    noise = comfy.sample.prepare_noise(samples, task.seed)
    engine._nest(list(models), loop, task, noise, samples, steps_of(models[0], task))
    assert loop.result is not None
    return models[0].model.process_latent_out(loop.result), torch.stack(loop.apart)


def mixed(*weights: Share) -> list[Share]:
    """The weights of the reference and of the aligned models."""
    return [1 - sum(weights), *weights]


def denoised_steps(model: ModelPatcher, task: Task) -> list[torch.Tensor]:
    """The guided prediction of every step of a run, as samplers tell their callbacks."""
    found: list[torch.Tensor] = []
    settings = sampling.Settings(
        task.seed, task.steps, task.cfg, task.sampler_name, task.scheduler, denoise=task.denoise
    )

    def keep(step: int, denoised: torch.Tensor, x: torch.Tensor, steps: int) -> None:
        found.append(denoised.clone())

    sampling.sample(model, settings, task.positive, task.negative, task.latent, keep)
    return found


@contextmanager
def counted(module: torch.nn.Module) -> Iterator[list[int]]:
    """The batch sizes of the forward passes of a module, as they come."""
    batches: list[int] = []

    def note(_: torch.nn.Module, args: tuple, kwargs: dict) -> None:
        batches.append(len(args[0] if args else kwargs["x"]))

    handle = module.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield batches
    finally:
        handle.remove()


@contextmanager
def completed(*models: ModelPatcher) -> Iterator[list[int]]:
    """The batch sizes of what the networks returned, as they return."""
    batches: list[int] = []
    networks = [model.model.diffusion_model for model in models]
    handles = [network.register_forward_hook(lambda _, __, output: batches.append(len(output))) for network in networks]
    try:
        yield batches
    finally:
        for handle in handles:
            handle.remove()


def passes(pair: Pair, run: Callable[[], object]) -> tuple[int, int]:
    """How often `run` evaluates the reference and the aligned model of a separate pair."""
    with counted(pair.reference.model.diffusion_model) as ours, counted(pair.aligned.model.diffusion_model) as theirs:
        run()
    return len(ours), len(theirs)


def free_memory(monkeypatch: pytest.MonkeyPatch, amount: float) -> None:
    """Let core see so many bytes of free memory, by which it decides how many conditionings go in one batch."""

    def told(device: object = None, torch_free_too: bool = False) -> float | tuple[float, float]:
        return (amount, amount) if torch_free_too else amount

    monkeypatch.setattr(comfy.model_management, "get_free_memory", told)

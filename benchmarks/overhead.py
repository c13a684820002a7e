"""What the pack adds to a step by itself: sampling with networks that cost nothing.
Import conftest first: it starts ComfyUI.
"""

from __future__ import annotations

import statistics
import time

import comfy.latent_formats
import comfy.supported_models_base
import torch
from comfy.model_base import BaseModel, ModelType
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from deradiff.nodes.engine.patch import realign
from deradiff.nodes.method.evaluation import REUSE, STOCHASTIC, Evaluation
from support import engine

STEPS, ROUNDS = 200, 9
ONE = "core KSampler, one model"
TWICE = "core evaluating that model twice"


class _Nothing(torch.nn.Module):
    """A network that returns one constant, so that no time is spent in it."""

    dtype = torch.float32

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.full((1, 4, 8, 8), value), requires_grad=False)

    def forward(self, x: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        return self.value.expand(x.shape[0], -1, -1, -1)


def _model(value: float) -> ModelPatcher:
    config = comfy.supported_models_base.BASE({"disable_unet_model_creation": True})
    config.latent_format = comfy.latent_formats.SD15()
    model = BaseModel(config, ModelType.EPS)
    model.diffusion_model = _Nothing(value)
    return ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))


def _twice(model: ModelPatcher) -> ModelPatcher:
    """What core alone takes for two evaluations a step."""
    clone = model.clone()
    clone.add_wrapper_with_key(
        WrappersMP.CALC_COND_BATCH, "twice", lambda executor, *args: (executor(*args), executor(*args))[1]
    )
    return clone


def lines() -> list[str]:
    """Microseconds a step beyond core's KSampler on one such model; median over interleaved rounds."""
    reference, aligned = _model(0.1), _model(0.2)
    task = engine.task_for("sd15", steps=STEPS)
    models = {
        ONE: reference,
        TWICE: _twice(reference),
        "lambda 0 (one model)": realign(reference, aligned, 0.0),
        "exact, lambda 0.5": realign(reference, aligned, 0.5),
        "reuse, lambda 0.5": realign(reference, aligned, 0.5, Evaluation(REUSE)),
        "stochastic, lambda 0.5": realign(reference, aligned, 0.5, Evaluation(STOCHASTIC)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(ROUNDS + 1):
        for name, model in models.items():
            begin = time.perf_counter()
            engine.by_core(model, task)
            if turn:
                seconds[name].append((time.perf_counter() - begin) / STEPS * 1e6)
    one, twice, *others = seconds.items()
    made = [
        "## What the pack itself adds to a step",
        "",
        f"With networks that cost nothing, {STEPS} steps, {ROUNDS} interleaved rounds, in microseconds a step (median, smallest to "
        "largest): what is more than core's KSampler on one such model takes, and more than core takes to evaluate it twice.",
        "",
        "| how | beyond one evaluation by core | beyond two |",
        "|---|---|---|",
        f"| {ONE}: {statistics.median(one[1]):.0f} in all | 0 | |",
    ]
    for name, taken in (twice, *others):
        made.append(f"| {name} | {_more(taken, one[1])} | {_more(taken, twice[1])} |")
    return made


def _more(taken: list[float], base: list[float]) -> str:
    more = [a - b for a, b in zip(taken, base, strict=True)]
    return f"{statistics.median(more):.0f} ({min(more):.0f} to {max(more):.0f})"

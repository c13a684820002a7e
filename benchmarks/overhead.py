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

STEPS, ROUNDS = 50, 40  # short rounds: some of them fall between what else the machine does
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
    """Microseconds a step beyond core's KSampler on one such model, in interleaved rounds."""
    reference, aligned = _model(0.1), _model(0.2)
    task = engine.task_for("sd15", latent=engine.empty_latent("sd15", side=8), steps=STEPS)
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
        f"With networks that cost nothing, {STEPS} steps, {ROUNDS} interleaved rounds, in microseconds a step. Other programs can only add "
        "time, so the quickest round of each is compared; in brackets the median of the differences, round by round.",
        "",
        "| how | in all | beyond one evaluation by core | beyond two |",
        "|---|---|---|---|",
        f"| {ONE} | {min(one[1]):.0f} ({statistics.median(one[1]):.0f}) | 0 | |",
        f"| {TWICE} | {min(twice[1]):.0f} ({statistics.median(twice[1]):.0f}) | {_more(twice[1], one[1])} | 0 |",
    ]
    for name, taken in others:
        total = f"{min(taken):.0f} ({statistics.median(taken):.0f})"
        made.append(f"| {name} | {total} | {_more(taken, one[1])} | {_more(taken, twice[1])} |")
    return made


def _more(taken: list[float], base: list[float]) -> str:
    more = statistics.median(a - b for a, b in zip(taken, base, strict=True))
    return f"{min(taken) - min(base):.0f} ({more:.0f})"

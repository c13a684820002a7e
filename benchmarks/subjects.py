"""What the benchmarks measure beside each other: one model, the pack's ways to realign a pair, and the other ways there are.
Import conftest first: it starts ComfyUI.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import comfy.hooks
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from deradiff.nodes.engine.patch import realign
from deradiff.nodes.method.curve import Curve
from deradiff.nodes.method.evaluation import REUSE, STOCHASTIC, Evaluation
from deradiff.nodes.method.schedule import LambdaSchedule
from deradiff.nodes.method.weights import Weight
from deradiff.nodes.method.window import Window
from support import engine
from support.engine import Task

LAMBDA = 0.5
SECOND_HALF = LambdaSchedule(Curve(((0.0, 1.0),)), Window(start=0.5))
ONE, SUM = "core KSampler, one model", "core KSampler, the aligned model"


@dataclass(frozen=True)
class Trio:
    """A reference, an aligned model of its own weights, and the reference with a LoRA on the same module."""

    reference: ModelPatcher
    separate: ModelPatcher
    lora: ModelPatcher
    hooks: comfy.hooks.HookGroup


@dataclass(frozen=True)
class Subject:
    """One way to sample a task, and the MODELs whose weights it holds."""

    name: str
    sample: Callable[[], torch.Tensor]
    models: Sequence[ModelPatcher]


def subjects(trio: Trio, task: Task) -> list[Subject]:
    """Everything that is measured, at lambda 0.5."""

    def ours(
        name: str, aligned: ModelPatcher, evaluation: Evaluation | None = None, weight: Weight | float = LAMBDA
    ) -> Subject:
        model = realign(trio.reference, aligned, weight, evaluation)
        return Subject(name, lambda: engine.by_core(model, task), [model])

    two, one = trio.separate, trio.lora
    hooked = replace(task, positive=by_hooks(task.positive, trio.hooks), negative=by_hooks(task.negative, trio.hooks))
    return [
        Subject(ONE, lambda: engine.by_core(trio.reference, task), [trio.reference]),
        Subject(SUM, lambda: engine.by_core(two, task), [two]),
        ours("exact, two models", two),
        ours("exact, two models, a schedule at 0 for half of the steps", two, weight=Weight(LAMBDA, SECOND_HALF)),
        ours("reuse, two models", two, Evaluation(REUSE)),
        ours("stochastic, two models", two, Evaluation(STOCHASTIC)),
        ours("exact, LoRA pair (one batched pass)", one),
        ours("exact, LoRA pair in separate passes", _apart(one)),
        ours("reuse, LoRA pair", one, Evaluation(REUSE)),
        Subject("core's hook-LoRA workflow", lambda: engine.by_core(trio.reference, hooked), [trio.reference]),
        Subject(
            "naive loop over two models",
            lambda: engine.by_hand([trio.reference, two], [1 - LAMBDA, LAMBDA], task),
            [trio.reference, two],
        ),
    ]


def by_hooks(conditioning: list, hooks: comfy.hooks.HookGroup) -> list:
    """lambda in core's own nodes: the conditioning at 1 - lambda, and once more at lambda with the LoRA as a hook."""
    plain = [[embedding, {**extra, "strength": 1 - LAMBDA}] for embedding, extra in conditioning]
    loaded = comfy.hooks.set_hooks_for_conditioning(
        [[embedding, {**extra, "strength": LAMBDA}] for embedding, extra in conditioning], hooks=hooks
    )
    return plain + loaded


def _apart(model: ModelPatcher) -> ModelPatcher:
    """The MODEL with a wrapper that does nothing: LoRA pairs with wrappers of their own are evaluated one after the other."""
    clone = model.clone()
    clone.add_wrapper_with_key(
        WrappersMP.APPLY_MODEL, "nothing", lambda executor, *args, **kwargs: executor(*args, **kwargs)
    )
    return clone


@contextmanager
def counted(models: Sequence[ModelPatcher]) -> Iterator[dict[str, int]]:
    """Counts rows that go through the networks, and the bytes of weights that are held while they do."""
    found = {"rows": 0, "bytes": 0}

    def look(_: torch.nn.Module, inputs: tuple) -> None:
        found["rows"] += inputs[0].shape[0]
        found["bytes"] = max(found["bytes"], held(models))

    modules = {id(model.model): model.model for model in _all(models) if hasattr(model.model, "diffusion_model")}
    handles = [module.diffusion_model.out.register_forward_pre_hook(look) for module in modules.values()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
        gc.collect()


def _all(models: Sequence[ModelPatcher]) -> list[ModelPatcher]:
    return [other for model in models for other in (model, *model.get_nested_additional_models())]


def held(models: Sequence[ModelPatcher]) -> int:
    """Bytes of the models' weights, of core's backups of patched weights and of its cached hook weights, each storage once."""
    tensors: list[torch.Tensor] = []
    for model in _all(models):
        tensors += [*model.model.parameters(), *model.model.buffers()]
        tensors += [saved.weight for saved in model.backup.values()]
        tensors += [value[0] for value in model.hook_backup.values()]
        tensors += [value[0] for cached in model.cached_hook_patches.values() for value in cached.values()]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())

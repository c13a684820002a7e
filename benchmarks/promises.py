"""What a realigned MODEL promises on any device: its ends, its middle, LoRA pairs in several precisions, and no waiting for the GPU.
Import conftest first: it starts ComfyUI.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import comfy.model_management
import comfy.sd
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from deradiff.nodes.engine.patch import realign
from support import engine
from support.engine import Task, Zoo

ALLOWED = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2, torch.float8_e4m3fn: 2e-1}
PRECISIONS = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp8": torch.float8_e4m3fn,
}


@dataclass(frozen=True)
class Promise:
    """One line of the report. figure: a relative distance, or a count; kept: whether it is as small as promised."""

    name: str
    figure: float
    kept: bool


def promises(folder: Path, precisions: dict[str, torch.dtype]) -> Iterator[Promise]:
    """Each promise, tried on small models of real classes whose files go to `folder`."""
    zoo = Zoo(folder)
    for kind in ("sd15", "sdxl"):
        yield from _two_files(zoo, kind, engine.task_for(kind))
    for name, dtype in precisions.items():
        yield from _lora(zoo, name, dtype)
    yield _waiting(zoo)


def _two_files(zoo: Zoo, kind: str, task: Task) -> Iterator[Promise]:
    reference, aligned = zoo.load(kind), zoo.load(kind, 1)
    for weight, model in ((0.0, reference), (1.0, aligned)):
        off = _off(engine.by_us(reference, aligned, weight, task), engine.by_core(model, task))
        yield Promise(f"{kind}, two files, lambda {weight:g}: bit-equal to core", off, off == 0.0)
    off = _off(
        engine.by_us(reference, aligned, 0.4, task),
        engine.by_hand([zoo.load(kind), zoo.load(kind, 1)], [0.6, 0.4], task),
    )
    yield Promise(f"{kind}, two files, lambda 0.4: a loop written by hand", off, off < _allowed(reference))


def _lora(zoo: Zoo, name: str, dtype: torch.dtype) -> Iterator[Promise]:
    path, task = zoo.lora_path("sd15", 3), engine.task_for("sd15")

    def load() -> ModelPatcher:
        return comfy.sd.load_diffusion_model(str(zoo.path("sd15")), model_options={"dtype": dtype})

    reference, allowed = load(), ALLOWED[dtype]
    aligned, merged = engine.lora_pair(reference, path), engine.with_lora(load(), path)
    off = _off(engine.by_us(reference, aligned, 0.0, task), engine.by_core(reference, task))
    yield Promise(f"LoRA pair, {name}, lambda 0: bit-equal to core", off, off == 0.0)
    off = _off(engine.by_us(reference, aligned, 1.0, task), engine.by_core(merged, task))
    yield Promise(f"LoRA pair, {name}, lambda 1: core's merged weights", off, off < allowed)
    off = _off(engine.by_us(reference, aligned, 0.4, task), engine.by_hand([load(), merged], [0.6, 0.4], task))
    yield Promise(f"LoRA pair, {name}, lambda 0.4: a loop written by hand", off, off < allowed)


def _waiting(zoo: Zoo) -> Promise:
    """How often a run of `exact` makes the CPU wait for the GPU beyond two runs of core's. Without CUDA there is nothing to wait for."""
    reference, aligned, task = zoo.load("sd15"), zoo.load("sd15", 1), engine.task_for("sd15")
    of_core, of_us = _waits(reference, task), _waits(realign(reference, aligned, 0.5), task)
    return Promise("waits for the GPU in the sampler's loop beyond core's", of_us - 2 * of_core, of_us <= 2 * of_core)


def _waits(model: ModelPatcher, task: Task) -> int:
    if not torch.cuda.is_available():
        return 0
    import warnings

    counts: list[int] = []

    def counted(executor: Callable, *args: object, **kwargs: object) -> torch.Tensor:
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                return executor(*args, **kwargs)
        finally:
            torch.cuda.set_sync_debug_mode("default")
            counts.append(sum("synchronizing" in str(warning.message) for warning in caught))

    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, "counter", counted)
    engine.by_core(model, task)
    return counts[-1]


def _off(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    cpu = torch.device("cpu")
    first, second = (comfy.model_management.cast_to(latent, torch.float32, cpu) for latent in (ours, theirs))
    return 0.0 if torch.equal(first, second) else engine.difference(first, second)


def _allowed(model: ModelPatcher) -> float:
    return ALLOWED[model.model.get_dtype()]

"""One aligned model during one sampling run: its module, its options, and what a call adds to them.
Nothing here outlives the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import comfy.patcher_extension
import comfy.sampler_helpers
import comfy.samplers
import torch
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher, create_model_options_clone
from comfy.patcher_extension import WrappersMP
from comfy_api.torch_helpers.torch_compile import COMPILE_KEY, TORCH_COMPILE_KWARGS, apply_torch_compile_factory

from ..sharing import twin
from ..sharing.adapter import Adapters, Rows, adapted
from ..sharing.own import own
from . import companion

Branches = list[torch.Tensor]  # one denoised latent per conditioning branch (cond, uncond, middle ...)

# Wrappers around a whole run or a whole guidance step act on the realigned MODEL. They are dropped from an aligned model,
# as are the inner wrappers under their keys, which rely on what these prepare.
RUN_WRAPPERS = (
    WrappersMP.OUTER_SAMPLE,
    WrappersMP.PREPARE_SAMPLING,
    WrappersMP.SAMPLER_SAMPLE,
    WrappersMP.PREDICT_NOISE,
)


@dataclass(frozen=True)
class Call:
    """One evaluation that the guider asks for, as CALC_COND_BATCH gets it.

    executor: the reference's own evaluation, given a model; conds: the conditionings, one list for each branch; x: noisy
    latent, (B, C, H, W) or (B, C, T, H, W); timestep: (B,) sigmas; additions: the transformer options that this call adds.
    """

    executor: Callable[..., Branches]
    conds: list
    x: torch.Tensor
    timestep: torch.Tensor
    model_options: dict
    additions: dict


class AlignedModel:
    """One aligned model during one run: its module (or its twin on the reference's weights) and its options."""

    def __init__(self, patcher: ModelPatcher, reference: ModelPatcher, conds: dict[str, list[dict]]) -> None:
        self.patcher = patcher
        self._reference = reference
        self._hook_mode, patcher.hook_mode = patcher.hook_mode, reference.hook_mode
        self._hook_strengths: tuple[float, ...] | None = None
        patcher.pre_run()
        self.options = create_model_options_clone(patcher.model_options)
        comfy.sampler_helpers.prepare_model_patcher(patcher, conds, self.options)
        comfy.samplers.cast_to_load_options(self.options, device=patcher.load_device, dtype=reference.model_dtype())
        drop_run_wrappers(self.options)
        take_own(self.options, reference.model_options, reference.wrappers)
        if self.adapters is not None:
            self.adapters.start()

    @property
    def adapters(self) -> Adapters | None:
        """This model's LoRA on the reference's weights, or None if it has a module of its own."""
        return self.patcher.model if isinstance(self.patcher.model, Adapters) else None

    @cached_property
    def module(self) -> BaseModel:
        """The module to evaluate, made when it is first asked for."""
        if self.adapters is None:
            return self.patcher.model
        base = self._reference.model
        changes = dict(companion.replaced_objects(self._reference, self.patcher))
        module: BaseModel = twin.twin(base, {**changes, **adapted(base, [(self.adapters, Rows())])})
        _compile_anew(self.options, module)
        return module

    def __call__(self, conds: list, x: torch.Tensor, timestep: torch.Tensor, additions: dict) -> Branches:
        """Denoised latents of each conditioning branch, as core's calc_cond_batch returns them.

        additions: transformer options that this call adds to the model's own.
        """
        module = self.module  # making it also completes the options
        if (
            self.adapters is None and module.current_patcher is None
        ):  # core cleaned up after a first run inside this one
            self.patcher.pre_run()
        if hasattr(self._reference.model, "latent_shapes"):
            module.latent_shapes = self._reference.model.latent_shapes
        if self.adapters is None:
            self._follow_hook_strengths(conds)
        options = {"transformer_options": additions}
        options = comfy.patcher_extension.merge_nested_dicts(self.options, options)
        return comfy.samplers.calc_cond_batch(module, conds, x, timestep, options)

    def _follow_hook_strengths(self, conds: list) -> None:
        """Core notices a scheduled hook's new strength once per step and for the first evaluated model only, which may not be this one."""
        groups = [
            cond["hooks"] for branch in conds if branch is not None for cond in branch if cond.get("hooks") is not None
        ]
        strengths = tuple(hook.strength for group in groups for hook in group.hooks)
        if self._hook_strengths not in (None, strengths):
            self.patcher.clear_cached_hook_weights()
        self._hook_strengths = strengths

    @property
    def layers(self) -> int:
        """How many layers of the reference it adapts."""
        return 0 if self.adapters is None else len(self.adapters.paths)

    def unreached(self) -> list[str]:
        """Paths of adapted layers that no forward pass went through."""
        return [] if self.adapters is None else self.adapters.unreached()

    def close(self) -> None:
        comfy.samplers.cast_to_load_options(self.options, device=self.patcher.offload_device)
        self.patcher.cleanup()
        self.patcher.hook_mode = self._hook_mode
        self.patcher.restore_hook_patches()


def drop_run_wrappers(options: dict) -> None:
    """Remove wrappers of whole runs, and every other wrapper under the same keys."""
    wrappers = options["transformer_options"].get("wrappers", {})
    keys = {key for kind in RUN_WRAPPERS for key in wrappers.get(kind, {})} - {None}
    for kind in wrappers:
        wrappers[kind] = (
            {} if kind in RUN_WRAPPERS else {key: found for key, found in wrappers[kind].items() if key not in keys}
        )


def take_own(options: dict, shared: dict, wrappers: dict) -> None:
    """Give functions around the network that the reference has too (step caches ...) a state of their own for this run."""
    name = "model_function_wrapper"
    if name in options and options[name] is shared.get(name):
        options[name] = own(options[name])
    ours = options["transformer_options"].get("wrappers", {})
    for kind in (WrappersMP.APPLY_MODEL, WrappersMP.DIFFUSION_MODEL):
        theirs = {id(function) for functions in wrappers.get(kind, {}).values() for function in functions}
        for key, functions in ours.get(kind, {}).items():
            if key != COMPILE_KEY:
                functions[:] = [own(function) if id(function) in theirs else function for function in functions]


def added(given: dict, base: dict) -> dict:
    """What `given` holds that `base` does not, by identity and down to the items of nested dicts and lists.

    A guidance patch (PAG, SEG ...) evaluates the model once more with attention patches of its own in the options of that
    call; they must reach both models.
    """
    found: dict = {}
    for key, value in given.items():
        before = base.get(key)
        if value is before:
            continue
        if isinstance(value, dict) and isinstance(before, dict):
            value = added(value, before)
        elif isinstance(value, list) and isinstance(before, list):
            value = [item for item in value if not any(item is other for other in before)]
        if not isinstance(value, dict | list) or value:
            found[key] = value
    return found


def _compile_anew(options: dict, module: BaseModel) -> None:
    """Where core's torch.compile wrapper holds the reference's compiled module, give it the twin's instead."""
    wrappers = options["transformer_options"].get("wrappers", {}).get(WrappersMP.APPLY_MODEL, {})
    if COMPILE_KEY in wrappers:
        compiled = torch.compile(model=module.diffusion_model, **options[TORCH_COMPILE_KWARGS])
        wrappers[COMPILE_KEY] = [apply_torch_compile_factory({"diffusion_model": compiled})]

"""How the aligned model can run beside the reference: the ModelPatcher that core loads for it.

| the two MODELs                                   | how the aligned one runs              | weights in memory |
|--------------------------------------------------|---------------------------------------|-------------------|
| different modules                                | as it is                              | 2x                |
| one module, the difference is LoRA               | a twin tree with LoRA in its forward  | 1x + LoRA         |
| one module, any other difference                 | an independent copy of the module     | 2x, logged        |
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import comfy.hooks
import comfy.model_management
import comfy.model_patcher
import comfy.patcher_extension
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher, create_model_options_clone
from comfy.patcher_extension import WrappersMP
from comfy_api.torch_helpers.torch_compile import COMPILE_KEY, TORCH_COMPILE_KWARGS, set_torch_compile_wrapper

from ..sharing import adapter, twin
from . import LOG, check

OBJECT_PATCHES = "deradiff_object_patches"  # attachment of a companion that is only adapters

_copies: weakref.WeakKeyDictionary[ModelPatcher, ModelPatcher] = weakref.WeakKeyDictionary()


def companion(reference: ModelPatcher, aligned: ModelPatcher, earlier: Sequence[ModelPatcher]) -> ModelPatcher:
    """The ModelPatcher to register beside the reference so that core loads what the aligned model needs.

    earlier: the companions of a chain's previous aligned models; no two may be clones of one module.
    """
    taken = [other for other in earlier if other.is_clone(aligned)]
    if not reference.is_clone(aligned):
        if all(_shares_state(aligned, other) for other in taken):
            return cloned(aligned)
        LOG.info("Two aligned models share one module: running the second on an independent copy of its weights.")
        return _copy(aligned)
    found = (
        adapter.pieces(reference.patches, aligned.patches, reference.model)
        if _same_module_state(reference, aligned)
        else None
    )
    if found is None:
        LOG.info(
            "The aligned model differs from the reference by more than LoRA: running it on an independent copy of its weights (2x memory)."
        )
        return _copy(aligned)
    return _adapters_only(aligned, adapter.Adapters(found, reference.model, reference.model.get_dtype()))


def cloned(model: ModelPatcher) -> ModelPatcher:
    """A clone to be loaded. While the model is in use core marks its clones as injected, too, and would then not inject them."""
    clone = model.clone()
    clone.is_injected = False
    return clone


def _shares_state(first: ModelPatcher, second: ModelPatcher) -> bool:
    """Whether two clones of one module are the same model, so that core may load either."""
    return (
        first.patches_uuid == second.patches_uuid
        and _same_module_state(first, second)
        and first.object_patches == second.object_patches
    )


def _same_module_state(first: ModelPatcher, second: ModelPatcher) -> bool:
    return check.same_injections(first, second) and first.weight_wrapper_patches == second.weight_wrapper_patches


class AdaptersPatcher(ModelPatcher):
    """A patcher around adapters alone. LoRA hooks patch the shared weights, so they are registered here and applied by the reference only."""

    def register_all_hook_patches(
        self,
        hooks: comfy.hooks.HookGroup,
        target_dict: dict,
        model_options: dict | None = None,
        registered: comfy.hooks.HookGroup | None = None,
    ) -> comfy.hooks.HookGroup:
        registered = comfy.hooks.HookGroup() if registered is None else registered
        for hook in hooks.get_type(comfy.hooks.EnumHookType.Weight):
            registered.add(hook)
        return registered

    def deepclone_multigpu(self, new_load_device: torch.device | None = None, models_cache: Any = None) -> ModelPatcher:
        """What core's split over several GPUs asks of every additional model. The aligned model runs on the first GPU alone."""
        return self.clone()

    def get_non_dynamic_delegate(self) -> ModelPatcher:
        """What core samples with where conditioning carries hooks, which a streamed model cannot have."""
        return _carrying(AdaptersPatcher(self.model, self.load_device, self.offload_device), self)


@cache
def _around_adapters(streamed: bool) -> type[AdaptersPatcher]:
    """AdaptersPatcher, streamed as the aligned model is: for the sake of one that is not, core evicts text encoder and VAE."""
    if not streamed:
        return AdaptersPatcher
    dynamic = comfy.model_patcher.ModelPatcherDynamic  # type: ignore[attr-defined]
    return type("StreamedAdaptersPatcher", (AdaptersPatcher, dynamic), {})


def _adapters_only(aligned: ModelPatcher, adapters: adapter.Adapters) -> ModelPatcher:
    """A patcher around the adapters alone that carries the aligned model's options, wrappers and object patches.

    Callbacks stay with the reference: they expect a whole model, and would run twice.
    """
    small = _around_adapters(is_dynamic(aligned))(adapters, aligned.load_device, aligned.offload_device)
    small.set_attachments(OBJECT_PATCHES, dict(aligned.object_patches))
    return _carrying(small, aligned)


def _carrying(small: AdaptersPatcher, source: ModelPatcher) -> AdaptersPatcher:
    """`small` with the source's options, wrappers and, where it has none, object patches."""
    small.model_options = create_model_options_clone(source.model_options)
    small.wrappers = comfy.patcher_extension.copy_nested_dicts(source.wrappers)
    if small.get_attachment(OBJECT_PATCHES) is None:
        small.set_attachments(OBJECT_PATCHES, source.get_attachment(OBJECT_PATCHES))
    return small


def _copy(aligned: ModelPatcher) -> ModelPatcher:
    """A clone of `aligned` around a module of its own. Made once per MODEL object, however often it is realigned."""
    if aligned.injections:
        raise ValueError(
            f"aligned: the model carries injections ({', '.join(aligned.injections)}), which change the module that it shares with another "
            "model of this run, so that lambda would mix a model with itself. Load the LoRA with Load LoRA Pair or "
            "LoraLoaderModelOnly instead of a bypass loader, or load the aligned model from a file of its own."
        )
    if aligned not in _copies:
        if is_dynamic(aligned):  # its weights are views of the file: core reads the file again
            _copies[aligned] = aligned.clone(force_deepcopy=True)  # type: ignore[call-arg]
        else:
            _unload(aligned)  # the copy must start from unpatched weights
            _copies[aligned] = _rehomed(aligned, twin.independent(aligned.model, aligned.offload_device))
        _copies[aligned].parent = None  # a reference to the key would keep both alive for ever
    return _copies[aligned].clone()


def is_dynamic(model: ModelPatcher) -> bool:
    """Whether current ComfyUI streams this model's weights on demand, which excludes hooks on weights."""
    return hasattr(model, "is_dynamic") and model.is_dynamic()


def hookable(companions: Sequence[ModelPatcher]) -> list[ModelPatcher]:
    """The companions as core prepares a model for conditioning that carries hooks: none of them dynamic."""
    return [
        other.get_non_dynamic_delegate() if is_dynamic(other) else other  # type: ignore[attr-defined]
        for other in companions
    ]


def _unload(model: ModelPatcher) -> None:
    others = [loaded for loaded in comfy.model_management.current_loaded_models if not model.is_clone(loaded.model)]
    comfy.model_management.free_memory(1e30, model.load_device, keep_loaded=others)


def _rehomed(patcher: ModelPatcher, module: torch.nn.Module) -> ModelPatcher:
    """A clone of the patcher around another module, with nothing of the first module's loaded state."""
    if "model_override" in inspect.signature(patcher.clone).parameters:
        clone = patcher.clone(model_override=(module, ({}, {}, {}, set())))  # type: ignore[call-arg]
    else:
        clone = patcher.clone()
        clone.model = module
        clone.backup, clone.object_patches_backup, clone.pinned = {}, {}, set()
    clone.hook_backup, clone.cached_hook_patches, clone.current_hooks = {}, {}, None
    _compile_for(clone)
    return clone


def _compile_for(clone: ModelPatcher) -> None:
    """Compile again what was compiled for the first module: its graphs hold the first module's weights."""
    for path, value in clone.object_patches.items():
        if twin.is_compiled(value):
            clone.object_patches[path] = twin.recompiled(value, comfy.utils.get_attr(clone.model, path))
    if COMPILE_KEY in clone.wrappers.get(WrappersMP.APPLY_MODEL, {}):
        set_torch_compile_wrapper(clone, **clone.model_options[TORCH_COMPILE_KWARGS])


def replaced_objects(reference: ModelPatcher, small: ModelPatcher) -> Iterator[tuple[str, object]]:
    """Each object patch by which the aligned model of a shared module differs from what the reference has in place now."""
    wanted = small.get_attachment(OBJECT_PATCHES)
    for path, value in wanted.items():
        if reference.object_patches.get(path) is not value:
            yield path, value
    for path, original in reference.object_patches_backup.items():
        if path not in wanted:
            yield path, original

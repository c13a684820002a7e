"""Whether two models can be a pair: one a fine-tune of the other."""

from __future__ import annotations

from collections.abc import Iterator

import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher

from ..sharing import adapter
from . import KEY, LOG


def family(model: ModelPatcher) -> str:
    """The name of an architecture in core's detection: SD15, SDXL, SD3, Flux ..."""
    config = getattr(model.model, "model_config", None)
    return type(config).__name__ if config is not None else type(model.model).__name__


def _interface(model: ModelPatcher) -> dict[str, object]:
    """What both models must agree on to be evaluated at the same latent with the same conditioning."""
    inner = model.model
    latent = model.get_model_object("latent_format")
    unet = getattr(getattr(inner, "model_config", None), "unet_config", {})
    sizes = {
        key: unet.get(key) for key in ("in_channels", "out_channels", "context_dim", "adm_in_channels", "image_model")
    }
    return {
        "latent channels": latent.latent_channels,
        "latent format": type(latent).__name__,
        "class": type(inner).__name__,
        **sizes,
    }


def check_pair(reference: ModelPatcher, aligned: ModelPatcher) -> None:
    """Raise ValueError unless `aligned` can be a fine-tune of `reference`."""
    if aligned.get_attachment(KEY) is not None:
        raise ValueError(
            "The aligned input is a realigned MODEL already. To combine several aligned models, connect the realigned MODEL to "
            "the reference input and the next aligned model to the aligned input."
        )
    ours, theirs = _interface(reference), _interface(aligned)
    differing = [name for name in ours if ours[name] != theirs[name]]
    if differing:
        details = ", ".join(f"{name} {ours[name]} and {theirs[name]}" for name in differing)
        ours_is, theirs_is = family(reference), family(aligned)
        said = (
            f"but the aligned model is {theirs_is}"
            if ours_is != theirs_is
            else "and so is the aligned model, but they differ"
        )
        raise ValueError(
            f"The reference is {ours_is} {said} ({details}). Load an aligned model that was fine-tuned from the reference."
        )


def warn_of_pair(reference: ModelPatcher, aligned: ModelPatcher) -> None:
    """Warn of a pair whose lambda changes nothing, or acts backwards."""
    if _same_model(reference, aligned):
        LOG.warning(
            "lambda changes nothing: the reference and the aligned model are the same model. Load an aligned model that was fine-tuned from the "
            "reference. A pair loader that is bypassed gives one model twice."
        )
    elif _swapped(reference, aligned):
        LOG.warning(
            "lambda seems to act backwards: the reference carries a LoRA or other patches that the aligned model lacks, as if the two "
            "were swapped. Swap the two inputs."
        )


def _swapped(reference: ModelPatcher, aligned: ModelPatcher) -> bool:
    """Whether the reference is the aligned model with patches on it, which is what the aligned model should be of the reference."""
    return (
        reference.is_clone(aligned)
        and same_injections(reference, aligned)
        and adapter.exceeds(reference.patches, aligned.patches)
        and not adapter.exceeds(aligned.patches, reference.patches)
    )


def _same_model(reference: ModelPatcher, aligned: ModelPatcher) -> bool:
    if not same_injections(reference, aligned) or not _same_patches(reference, aligned):
        return False
    if not same_options(reference.model_options, aligned.model_options):
        return False
    if reference.is_clone(aligned):
        return True
    return all(_same_values(ours, theirs) for ours, theirs in zip(_weights(reference), _weights(aligned), strict=False))


def _weights(model: ModelPatcher) -> Iterator[torch.Tensor]:
    """The weights without patches, which core may have left on the module after another run and then keeps in the backup."""
    for name, value in model.model.named_parameters():
        kept = model.backup.get(name)
        yield value if kept is None else kept.weight


def same_options(ours: object, theirs: object) -> bool:
    """Equality of nested options by content for containers and numbers, by identity for everything else (tensors, functions)."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same_options(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        return len(ours) == len(theirs) and all(map(same_options, ours, theirs))
    return ours is theirs or (isinstance(ours, str | int | float) and ours == theirs)


def same_injections(first: ModelPatcher, second: ModelPatcher) -> bool:
    """Whether two models carry the same injections (core's bypass LoRA): they change the module itself while it is in use."""
    return first.injections.keys() == second.injections.keys() and all(
        first.injections[key] == second.injections[key] for key in first.injections
    )


def _same_values(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return False
    if ours.element_size() == 1:  # fp8 has no comparison
        ours, theirs = ours.view(torch.uint8), theirs.view(torch.uint8)
    return torch.equal(
        ours, theirs if theirs.device == ours.device else comfy.model_management.cast_to(theirs, None, ours.device)
    )


def _same_patches(reference: ModelPatcher, aligned: ModelPatcher) -> bool:
    return (
        adapter.pieces(reference.patches, aligned.patches, reference.model) == []
        and reference.object_patches == aligned.object_patches
        and reference.weight_wrapper_patches == aligned.weight_wrapper_patches
    )

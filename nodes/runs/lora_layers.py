"""Which layers of a LoRA file apply to a model. Core leaves out what does not match or fit, with lines in its log."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import comfy.lora
import comfy.lora_convert
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from comfy.weight_adapter import WeightAdapterBase

from ..engine import LOG, check
from ..sharing import adapter

Weights = Mapping[str, torch.Tensor]

_NAMES = {"lora": "LoRA", "loha": "LoHa", "lokr": "LoKr", "glora": "GLoRA", "oft": "OFT", "boft": "BOFT"}
_TEXT_ENCODER = ("lora_te", "lora_prior_te", "text_encoder")  # how trainers begin the names of its layers


@dataclass(frozen=True)
class Contents:
    """What a file holds for diffusion models, read as core reads it.

    kinds: the kind of each layer, by its name in the file. text_encoder: the number of layers for text encoders.
    unread: tensors that belong to no layer, or to a layer but in a form that this ComfyUI does not know.
    """

    kinds: dict[str, str]
    text_encoder: int
    unread: list[str]


def contents(weights: Weights, file: str) -> Contents:
    """Have core read the file for a model that has every layer the file may speak of. Raises ValueError if a layer is not whole."""
    weights = comfy.lora_convert.convert_lora(dict(weights))
    _check_whole(weights, file)
    every_layer = {name[:end]: f"{name[:end]}.weight" for name in weights for end in _ends(name)}
    try:
        found = comfy.lora.load_lora(weights, every_layer, log_missing=False)
    except KeyError as error:  # the matrix that a layer lacks
        raise _broken(file, f"it has no {error.args[0]}") from error
    kinds = {key.rpartition(".")[0]: _kind(patch) for key, patch in found.items()}  # .weight, or .bias
    read = next((patch.loaded_keys for patch in found.values() if isinstance(patch, WeightAdapterBase)), weights.keys())
    ours = {name: kind for name, kind in kinds.items() if not _of_text_encoder(name)}
    unread = [name for name in weights if name not in read and "." in name and not _of_text_encoder(name)]
    return Contents(ours, len(kinds) - len(ours), unread)


def _check_whole(weights: Weights, file: str) -> None:
    """Raise ValueError for tensors that core would stumble over: of rank 0, or an alpha that is not one number."""
    for name, value in weights.items():
        if value.ndim > 1 and value.numel() == 0:
            raise _broken(file, f"{name} is empty, {tuple(value.shape)}")
        if name.endswith(".alpha") and not (value.numel() == 1 and bool(value.isfinite())):
            found = float(value) if value.numel() == 1 else f"of shape {tuple(value.shape)}"
            raise _broken(file, f"{name} is {found}, not one finite number")


def _broken(file: str, what: str) -> ValueError:
    return ValueError(f"lora: {file} is damaged or incomplete: {what}. Download it again, or choose another LoRA.")


def _ends(name: str) -> Iterator[int]:
    """Where the name of a layer may end in the name of a tensor."""
    for at, letter in enumerate(name):
        if letter == "." or name.startswith("_lora.", at):
            yield at


def _kind(patch: WeightAdapterBase | tuple) -> str:
    return _NAMES.get(patch.name, patch.name) if isinstance(patch, WeightAdapterBase) else patch[0]


def _of_text_encoder(name: str) -> bool:
    return name.startswith(_TEXT_ENCODER)


def check_names(model: ModelPatcher, held: Contents, file: str) -> None:
    """Warn of layers that the model does not have. Raise ValueError if it has none of the file's, or none of a kind."""
    known = _names(model)
    missing = [name for name in held.kinds if name not in known]
    layers, applying = len(held.kinds), len(held.kinds) - len(missing)
    advice = "Choose a LoRA that was trained on this kind of model."
    expected = f"lora: expected a LoRA for {check.family(model)}, but"
    if not layers and held.text_encoder:
        raise ValueError(
            f"{expected} {file} holds layers of a text encoder alone, which are no part of a MODEL. {advice}"
        )
    if not layers:
        raise ValueError(f"{expected} no key of {file} matches the model. {advice}")
    if not applying:
        raise ValueError(
            f"{expected} none of the {layers} layers of {file} applies to this model (for example {missing[0]}). {advice}"
        )
    of_kind = Counter(held.kinds.values())
    for kind, number in Counter(held.kinds[name] for name in missing).items():
        if number == of_kind[kind]:
            example = next(name for name in missing if held.kinds[name] == kind)
            raise ValueError(
                f"{expected} none of the {number} {kind} layers of {file} applies to this model (for example {example}); "
                f"{applying} of its {layers} layers do. {advice}"
            )
    if missing:
        LOG.warning(
            "lora: %d of %d layers of %s apply to this model; the others (for example %s) match none of its layers and are left "
            "out, so the aligned model is not the one that was trained. Choose a LoRA that was trained on this model.",
            applying,
            layers,
            file,
            missing[0],
        )
    if held.unread:
        LOG.warning(
            "lora: ComfyUI does not read %d tensor%s of %s (%s%s), so the aligned model may not be the one that was trained. "
            "Update ComfyUI, or look for the LoRA in ComfyUI's format.",
            len(held.unread),
            "" if len(held.unread) == 1 else "s",
            file,
            held.unread[0],
            " ..." if len(held.unread) > 1 else "",
        )


def _names(model: ModelPatcher) -> set[str]:
    """Every name by which a file may call a layer that the model has."""
    state = model.model.state_dict()
    names = comfy.lora.model_lora_keys_unet(model.model, {})
    return {name for name, key in names.items() if (key if isinstance(key, str) else key[0]) in state}


def check_sizes(model: ModelPatcher, added: Mapping[str, list[adapter.Patch]], file: str) -> None:
    """Raise ValueError if core could not put a patch on its weight, and would leave it out and sample a wrong image."""
    patches = [(key, patch, _shape(model, key)) for key, patches in added.items() for patch in patches]
    misfits = [item for item in patches if not _fits(*item, device="meta")]
    # Some kinds look at their values, which the meta device has none of. What misfits there is tried with numbers.
    while misfits and _fits(*misfits[0], device="cpu"):
        misfits.pop(0)
    if misfits:
        key, patch, shape = misfits[0]
        theirs = ", ".join(str(tuple(tensor.shape)) for tensor in _tensors(patch[1]))
        raise ValueError(
            f"lora: {file} was trained on another kind of model: the sizes of {len(misfits)} of its {len(patches)} layers are not "
            f"the model's. For example at {key} the file has {theirs}, the model's weight is {shape}. Choose a LoRA for this model."
        )


def _shape(model: ModelPatcher, key: str) -> tuple[int, ...]:
    path, _, name = key.rpartition(".")
    shape = adapter.weight_shape(model.model.get_submodule(path)) if name == "weight" else None
    return shape or tuple(comfy.utils.get_attr(model.model, key).shape)


def _fits(key: str, patch: adapter.Patch, shape: tuple[int, ...], device: str) -> bool:
    """Whether core changes a weight of this shape by the patch, seen from the weight: core writes into it or makes another."""
    _, value, _, offset, function = patch
    changes = []

    def observe(change: torch.Tensor) -> torch.Tensor:
        changes.append(change)
        return change if function is None else function(change)

    with torch.inference_mode(False), torch.no_grad(), _quiet():  # inference tensors do not count what is written
        weight = torch.zeros(shape, device=device)
        written = weight._version
        try:
            result = comfy.lora.calculate_weight([(1.0, value, 1.0, offset, observe)], weight, key)
        except (RuntimeError, ValueError, TypeError, IndexError):
            return False
        return weight._version > written or (result is not weight and bool(changes))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what core logs about a trial, in this thread, from the user."""
    thread = threading.get_ident()
    root = logging.getLogger()

    def elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != thread

    root.addFilter(elsewhere)
    try:
        yield
    finally:
        root.removeFilter(elsewhere)


def _tensors(value: WeightAdapterBase | tuple) -> Iterator[torch.Tensor]:
    inner = value.weights if isinstance(value, WeightAdapterBase) else value[-1]
    return (tensor for tensor in inner if isinstance(tensor, torch.Tensor) and tensor.ndim)

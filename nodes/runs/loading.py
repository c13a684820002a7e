"""Loads a reference and its aligned model from files, with errors that name the socket."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import comfy.sd
import comfy.utils
import safetensors
import torch
from comfy.model_patcher import ModelPatcher

from ..engine import LOG
from ..method import limits
from ..method.limits import quoted
from . import lora_layers

CHECKPOINT_PREFIX = "model.diffusion_model."
MOST_STRENGTH = 20.0  # of a LoRA, either way
WEIGHT_DTYPES = ("default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2")

_UNREADABLE = (safetensors.SafetensorError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError)
_DAMAGED_ARCHIVE = "PytorchStreamReader"  # part of torch.load's RuntimeError
_UNKNOWN_MODEL = "Could not detect model type"  # part of core's RuntimeError
_MARKS = {
    "lora": "a LoRA",
    "text_model.": "a text encoder",
    "encoder.block.": "a text encoder",
    "decoder.": "a VAE",
}


@contextmanager
def _said_of(socket: str, path: str, expected: str) -> Iterator[None]:
    """Turn core's errors about a file into one ValueError that a user understands."""
    try:
        yield
    except _UNREADABLE as error:
        raise _unreadable(expected, socket, path, error) from error
    except (RuntimeError, TypeError, AttributeError) as error:
        if _DAMAGED_ARCHIVE in str(error):
            raise _unreadable(expected, socket, path, error) from error
        if _UNKNOWN_MODEL in str(error) or not _holds_tensors(path):
            raise _not_a(expected, socket, path) from error
        raise


def _unreadable(expected: str, socket: str, path: str, error: Exception) -> ValueError:
    reason = str(error).partition("\n")[0]
    return ValueError(
        f"{socket}: expected a {expected}, but {Path(path).name} cannot be read, it is empty, incomplete or damaged ({reason}). "
        "Download it again, or choose another file."
    )


def _not_a(expected: str, socket: str, path: str) -> ValueError:
    return ValueError(
        f"{socket}: expected a {expected}, but {Path(path).name} holds {_looks_like(path)}. "
        f"Choose a {expected} that this ComfyUI can load."
    )


def _holds_tensors(path: str) -> bool:
    """Whether a file holds tensors by name: a pickle may hold anything."""
    if _is_safetensors(path):
        return True
    try:
        found = comfy.utils.load_torch_file(path, safe_load=True)
    except (RuntimeError, TypeError, AttributeError):  # core looks for names in it
        return False
    return isinstance(found, dict) and len(_tensors(found)) == len(found)


def _tensors(found: object) -> dict[str, torch.Tensor]:
    """What a file holds of tensors by name, whatever else is in it."""
    items = found.items() if isinstance(found, dict) else ()
    return {name: value for name, value in items if isinstance(name, str) and isinstance(value, torch.Tensor)}


def _looks_like(path: str) -> str:
    """What a file that is not a model seems to hold, by the names of its tensors."""
    names: list[str] = []
    if _is_safetensors(path):
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            names = list(file.keys())
    return next((what for mark, what in _MARKS.items() if any(mark in name for name in names)), "something else")


def _is_safetensors(path: str) -> bool:
    return Path(path).suffix.lower() in (".safetensors", ".sft")


def load_checkpoint(path: str, embeddings: list[str]) -> tuple[ModelPatcher, object, object]:
    """The reference checkpoint: (MODEL, CLIP, VAE), as CheckpointLoaderSimple loads it. Raises ValueError."""
    with _said_of("reference", path, "checkpoint"):
        model, clip, vae, *_ = comfy.sd.load_checkpoint_guess_config(
            path, output_vae=True, output_clip=True, embedding_directory=embeddings
        )
    if model is None:
        raise _not_a("checkpoint", "reference", path)
    return model, clip, vae


def load_diffusion(path: str, socket: str, weight_dtype: str = "default") -> ModelPatcher:
    """The diffusion model of a file, whether checkpoint, single UNet or diffusers UNet; nothing else of it is read.

    socket: the input's name, for errors. weight_dtype: as in core's Load Diffusion Model. Raises ValueError.
    """
    options = _dtype_options(weight_dtype)
    with _said_of(socket, path, "diffusion model"):
        model = _read_diffusion(path, options)
    if model is None:
        raise _not_a("diffusion model", socket, path)
    return model


def _read_diffusion(path: str, options: dict[str, object], **how: bool) -> ModelPatcher | None:
    """The diffusion model of a file, None if core makes none of its tensors.

    Current ComfyUI makes a model again from its file (for hooks, torch.compile, several GPUs): it calls what is registered as
    `cached_patcher_init`, with `how` (disable_dynamic) where it needs the model outside of dynamic VRAM.
    """
    weights, metadata = _checkpoint_part(path)
    if not weights:
        return comfy.sd.load_diffusion_model(path, model_options=options, **how)  # registers itself
    loaded = comfy.sd.load_state_dict_guess_config(
        weights, output_vae=False, output_clip=False, model_options=options, metadata=metadata, **how
    )
    model = loaded[0] if loaded else None
    if model is not None and hasattr(model, "cached_patcher_init"):
        model.cached_patcher_init = (_read_diffusion, (path, options))
    return model


def _checkpoint_part(path: str) -> tuple[dict[str, torch.Tensor], dict[str, str] | None]:
    """The diffusion model's tensors of a full checkpoint with its top-level flags (v_pred ...), and the file's metadata.

    No tensors if the file is not a checkpoint. Text encoder and VAE stay on disk. Pickled checkpoints cannot be read in part:
    they go through core's loader.
    """
    if not _is_safetensors(path):
        weights = comfy.utils.load_torch_file(path, safe_load=True)
        return {name: weights[name] for name in _diffusion_names(weights)}, None
    with safetensors.safe_open(path, framework="pt", device="cpu") as file:
        return {name: file.get_tensor(name) for name in _diffusion_names(file.keys())}, file.metadata()


def _diffusion_names(names: Iterable[str]) -> list[str]:
    """Of a checkpoint's tensor names, those of the diffusion model and the flags; none if it holds no diffusion model."""
    names = list(names)
    chosen = [name for name in names if name.startswith(CHECKPOINT_PREFIX)]
    return [*chosen, *(name for name in names if "." not in name)] if chosen else []


def _dtype_options(weight_dtype: str) -> dict[str, object]:
    if weight_dtype not in WEIGHT_DTYPES:
        raise ValueError(f"weight_dtype: expected one of {', '.join(WEIGHT_DTYPES)}, got {quoted(weight_dtype)}.")
    if weight_dtype == "default":
        return {}
    dtype = torch.float8_e5m2 if weight_dtype == "fp8_e5m2" else torch.float8_e4m3fn
    return {"dtype": dtype, **({"fp8_optimizations": True} if weight_dtype.endswith("_fast") else {})}


def load_lora(model: ModelPatcher, path: str, strength: float) -> ModelPatcher:
    """The model with a LoRA on it, as LoraLoaderModelOnly loads it. `model` stays as it is.

    Raises ValueError if the strength is out of its limits, the file cannot be read, none of its layers is one of the model's,
    a layer is not whole, or a layer has another model's size. Layers that the model does not have are left out with a warning.
    """
    name = Path(path).name
    strength = limits.number(
        strength, "strength", -MOST_STRENGTH, MOST_STRENGTH, "Normally it is 1; use lambda to weaken the alignment."
    )
    with _said_of("lora", path, "LoRA"):
        read = comfy.utils.load_torch_file(path, safe_load=True)
    weights = _tensors(read)
    if not isinstance(read, dict) or (read and not weights):
        raise _not_a("LoRA", "lora", path)
    held = lora_layers.contents(weights, name)
    lora_layers.check_names(model, held, name)
    aligned, _ = comfy.sd.load_lora_for_models(model, None, weights, strength, 0)
    added = {key: patches[len(model.patches.get(key, [])) :] for key, patches in aligned.patches.items()}
    lora_layers.check_sizes(model, added, name)
    if strength == 0:
        LOG.warning("The LoRA's strength is 0: the aligned model equals the reference.")
    return aligned

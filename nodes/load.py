"""Nodes that load a reference and its aligned model."""

from __future__ import annotations

import folder_paths
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from . import page
from .checked import checked
from .engine import LOG
from .engine.warned import warnings
from .inputs import refusal
from .method.limits import quoted
from .runs import loading
from .schema import CATEGORY, schema

_CATEGORY = f"{CATEGORY}/loaders"
_ALIGNED = "The aligned model, fine-tuned from the reference (DPO, KTO, SPO, GRPO ...): a full checkpoint or a diffusion model alone"
_FOLDERS = ("checkpoints", "diffusion_models")
_REFERENCE_OUT = (
    "The model before alignment. Connect it to the reference input of Realign Model or a DeRaDiff KSampler."
)
_ALIGNED_OUT = "The aligned model. Connect it to the aligned input of Realign Model or a DeRaDiff KSampler."


def _models() -> tuple[io.Model.Output, io.Model.Output]:
    return (
        io.Model.Output("reference_model", display_name="reference", tooltip=_REFERENCE_OUT),
        io.Model.Output("aligned_model", display_name="aligned", tooltip=_ALIGNED_OUT),
    )


def _either_folder() -> dict[str, tuple[str, str]]:
    """Every checkpoint and diffusion model by the name that a workflow saves: (folder, file).

    A checkpoint has its own name, a diffusion model's begins with its folder, whatever else is there: no name may come to
    mean another file when files are added.
    """
    found = {}
    for folder in _FOLDERS:
        for name in folder_paths.get_filename_list(folder):
            own = folder == "checkpoints" and name.partition("/")[0] not in _FOLDERS
            found[name if own else f"{folder}/{name}"] = (folder, name)
    return found


def _aligned_file(name: object) -> tuple[str, str]:
    """(folder, file) of a saved name. Names without a folder, of the time before they had one, are looked for in both.

    Raises ValueError.
    """
    offered = _either_folder()
    for saved in (name, *(f"{folder}/{name}" for folder in _FOLDERS)):
        if isinstance(saved, str) and saved in offered:
            return offered[saved]
    raise ValueError(
        f"aligned: neither models/checkpoints nor models/diffusion_models holds {quoted(name)}. "
        "Choose a file from the list, or put it there."
    )


def _path(socket: str, folder: str, name: object) -> str:
    """Where a file of a model folder is. socket: the input that names it. Raises ValueError."""
    found = folder_paths.get_full_path(folder, name) if isinstance(name, str) and name else None
    if found is None:
        raise ValueError(
            f"{socket}: models/{folder} holds no {quoted(name)}. Choose a file from the list, or put it there."
        )
    return found


def _warn_of_namesake(folder: str, name: str) -> None:
    if folder == "checkpoints" and name in folder_paths.get_filename_list("diffusion_models"):
        LOG.warning(
            "aligned: both models/checkpoints and models/diffusion_models hold %s: loading the checkpoint. "
            "For the other, choose diffusion_models/%s.",
            name,
            name,
        )


class DeRaDiffLoadCheckpointPair(io.ComfyNode):
    """Two checkpoints, or a checkpoint and a diffusion model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffLoadCheckpointPair",
            display_name="Load Checkpoint Pair (DeRaDiff)",
            category=_CATEGORY,
            search_aliases=["dpo", "load reference and aligned", "deradiff loader"],
            description="Load the reference checkpoint with its text encoder and VAE, and the diffusion model of an aligned checkpoint or UNet "
            "(for example mhdang/dpo-sd1.5-text2image-v1). Only the diffusion model of the aligned file is read. Two models are kept in memory.",
            inputs=[
                io.Combo.Input(
                    "reference",
                    options=folder_paths.get_filename_list("checkpoints"),
                    tooltip="The checkpoint before alignment, for example v1-5-pruned-emaonly-fp16. Its text encoder and VAE are used for both models.",
                ),
                io.Combo.Input(
                    "aligned",
                    options=list(_either_folder()),
                    tooltip=f"{_ALIGNED}, from models/checkpoints or models/diffusion_models (diffusers UNet files too). Only its diffusion model is read.",
                ),
            ],
            outputs=[
                *_models(),
                io.Clip.Output(
                    "clip", display_name="clip", tooltip="The reference's text encoder, for the prompts of both models."
                ),
                io.Vae.Output("vae", display_name="vae", tooltip="The reference's VAE."),
            ],
        )

    @classmethod
    def validate_inputs(cls, aligned: str | None = None) -> bool | str:
        """In place of the server's check that the value is in the list. None: another node will give the name."""
        return aligned is None or refusal(lambda: _aligned_file(aligned))

    @classmethod
    @checked
    def execute(cls, reference: str, aligned: str) -> io.NodeOutput:
        folder, name = _aligned_file(aligned)
        aligned_path, reference_path = _path("aligned", folder, name), _path("reference", "checkpoints", reference)
        _warn_of_namesake(folder, name)
        aligned_model = loading.load_diffusion(aligned_path, "aligned")
        model, clip, vae = loading.load_checkpoint(reference_path, folder_paths.get_folder_paths("embeddings"))
        return io.NodeOutput(model, aligned_model, clip, vae)


class DeRaDiffLoadDiffusionPair(io.ComfyNode):
    """Two diffusion models without text encoder and VAE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        files = folder_paths.get_filename_list("diffusion_models")
        return schema(
            node_id="DeRaDiffLoadDiffusionPair",
            display_name="Load Diffusion Model Pair (DeRaDiff)",
            category=_CATEGORY,
            search_aliases=["unet pair", "flux pair"],
            description="Load two diffusion models from models/diffusion_models; text encoder and VAE come from their own loaders. "
            "Two models are kept in memory; fp8 halves both.",
            inputs=[
                io.Combo.Input("reference", options=files, tooltip="The diffusion model before alignment."),
                io.Combo.Input("aligned", options=files, tooltip=f"{_ALIGNED}."),
                io.Combo.Input(
                    "weight_dtype",
                    options=list(loading.WEIGHT_DTYPES),
                    default="default",
                    tooltip="How the weights of both models are stored; default lets ComfyUI choose for the file and your GPU. fp8 takes half the "
                    "memory of fp16 and loses some detail.",
                ),
            ],
            outputs=list(_models()),
        )

    @classmethod
    @checked
    def execute(cls, reference: str, aligned: str, weight_dtype: str) -> io.NodeOutput:
        files = {"reference": reference, "aligned": aligned}
        paths = {socket: _path(socket, "diffusion_models", name) for socket, name in files.items()}
        return io.NodeOutput(*(loading.load_diffusion(path, socket, weight_dtype) for socket, path in paths.items()))


class DeRaDiffLoadLoraPair(io.ComfyNode):
    """A model with and without a LoRA, over one copy of the weights."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffLoadLoraPair",
            display_name="Load LoRA Pair (DeRaDiff)",
            category=_CATEGORY,
            search_aliases=["dpo lora", "spo lora", "reward lora"],
            description="Make a pair of a model and an alignment LoRA (DPO, SPO, Flow-GRPO, reward LoRAs). Both share one copy of the weights, "
            "so they take the memory of one model. LoRAs loaded before this node act on both.",
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The reference: the model the LoRA was trained on, with any style LoRA you want on both.",
                ),
                io.Combo.Input(
                    "lora",
                    options=folder_paths.get_filename_list("loras"),
                    tooltip="The alignment LoRA, from models/loras.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-loading.MOST_STRENGTH,
                    max=loading.MOST_STRENGTH,
                    step=0.01,
                    tooltip="Normally 1. Use lambda to weaken the alignment.",
                ),
            ],
            outputs=list(_models()),
        )

    @classmethod
    @checked
    def execute(cls, model: ModelPatcher, lora: str, strength: float) -> io.NodeOutput:
        with warnings() as gathered:
            aligned = loading.load_lora(model, _path("lora", "loras", lora), strength)
        return io.NodeOutput(model, aligned, ui=page.of_run(gathered))


NODES = [DeRaDiffLoadCheckpointPair, DeRaDiffLoadDiffusionPair, DeRaDiffLoadLoraPair]

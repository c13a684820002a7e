"""The node that trains a time predictor."""

from __future__ import annotations

import os
import re
from pathlib import Path

import folder_paths
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from comfy_api.latest import io

from . import page
from .checked import checked
from .engine.predictors import bins_of, space_of
from .method.limits import number, quoted, whole
from .method.predictor_card import TimePredictor
from .runs import predictor_files, training_latents
from .runs.predictor_files import FOLDER
from .runs.predictor_training import Task, train
from .schema import CATEGORY, PredictorType, advanced, schema

PLACE = f"{CATEGORY}/temporal alignment"
_MOST_ITERATIONS, _MOST_BATCH, _MOST_SIDE = 1_000_000, 4096, 4096
_NAME = re.compile(r"[^\\/:*?\"<>|\x00-\x1f.][^\\/:*?\"<>|\x00-\x1f]{0,99}")

folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))


def predictor_output() -> io.Output:
    return PredictorType.Output(
        "predictor_out", display_name="predictor", tooltip="Connect it to Temporal Alignment or Time Gap."
    )


class DeRaDiffTrainTimePredictor(io.ComfyNode):
    """Latents or images -> a time predictor, written to a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DeRaDiffTrainTimePredictor",
            display_name="Train Time Predictor (experimental) (DeRaDiff)",
            category=PLACE,
            search_aliases=["temporal alignment guidance", "noise level predictor"],
            description="Train a small network that tells how noisy a latent is, for Temporal Alignment and Time Gap. One serves every model with the same "
            "latents and kind of noise, at every resolution; it needs several hundred images, and no prompts. Queue it again after a cancel to go on.",
            is_output_node=True,
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="Any model of the family that the predictor is for; only its latent format and its kind of noise are used.",
                ),
                io.String.Input(
                    "name",
                    default="time_predictor",
                    tooltip="The file's name in models/deradiff_time_predictors. A file of this name is trained on, see resume.",
                ),
                io.Int.Input(
                    "iterations",
                    default=20_000,
                    min=1,
                    max=_MOST_ITERATIONS,
                    tooltip="How many in all, those of a resumed file included. 10,000 to 30,000 are usual.",
                ),
                io.Int.Input(
                    "batch_size",
                    default=32,
                    min=1,
                    max=_MOST_BATCH,
                    tooltip="Latents for each iteration, each with its own noise.",
                ),
                io.Float.Input(
                    "learning_rate",
                    default=1e-4,
                    min=1e-7,
                    max=0.1,
                    step=1e-7,
                    tooltip="Of Adam. Lower it if the loss rises or is lost.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=False,
                    tooltip="Of the initial weights, and of which latents and noise each iteration draws.",
                ),
                io.Boolean.Input(
                    "resume",
                    default=True,
                    tooltip="Go on from the file of this name, if there is one. Off: begin anew and write over it.",
                ),
                io.Latent.Input(
                    "latents",
                    optional=True,
                    tooltip="Latents of at least 16 images, encoded by the model's VAE. A video counts by its frames.",
                ),
                io.String.Input(
                    "image_folder",
                    default="",
                    optional=True,
                    tooltip="A folder in ComfyUI's input folder whose images are trained on, as well as latents. Needs vae.",
                ),
                io.Vae.Input("vae", optional=True, tooltip="The VAE of the model, for image_folder."),
                advanced(
                    io.Int.Input(
                        "image_size",
                        default=512,
                        min=16,
                        max=_MOST_SIDE,
                        step=8,
                        optional=True,
                        tooltip="To which side the images of image_folder are scaled and cropped, in pixels.",
                    )
                ),
            ],
            outputs=[
                predictor_output(),
                io.String.Output(
                    "report", display_name="report", tooltip="What was trained, for how long, and the loss at its end."
                ),
            ],
        )

    @classmethod
    @checked
    def execute(
        cls,
        model: ModelPatcher,
        name: str,
        iterations: int,
        batch_size: int,
        learning_rate: float,
        seed: int,
        resume: bool,
        latents: dict | None = None,
        image_folder: str = "",
        vae: VAE | None = None,
        image_size: int = 512,
    ) -> io.NodeOutput:
        path = _path(name)
        whole(iterations, "iterations", 1, _MOST_ITERATIONS)
        whole(batch_size, "batch_size", 1, _MOST_BATCH)
        whole(seed, "seed", 0, 2**64 - 1)
        number(learning_rate, "learning_rate", 1e-7, 0.1)
        whole(image_size, "image_size", 16, _MOST_SIDE)
        begin = _begin(path, model) if resume and path.is_file() else None
        groups = [training_latents.of_latent(model, latents)] if latents is not None else []
        folder = _folder(image_folder, vae)
        if folder is not None and vae is not None:
            groups.append(training_latents.of_folder(model, folder, vae, image_size))
        training_latents.check_count(groups)
        bins = begin.card.bins if begin is not None else bins_of(model)
        sampling = model.get_model_object("model_sampling")
        task = Task(groups, sampling, space_of(model), bins, iterations, batch_size, learning_rate, seed)
        predictor = train(task, path, begin, page.text)
        return io.NodeOutput(predictor, _report(predictor, sum(group.shape[0] for group in groups)))


def _path(name: object) -> Path:
    """Where a predictor of this name is written. Raises ValueError for what is no name of a file."""
    stem = name.removesuffix(".safetensors").strip() if isinstance(name, str) else ""
    if not _NAME.fullmatch(stem):
        raise ValueError(
            f"name: expected the name of a file, without folders and special characters, got {quoted(name)}. Write another."
        )
    return Path(folder_paths.get_folder_paths(FOLDER)[0]) / f"{stem}.safetensors"


def _begin(path: Path, model: ModelPatcher) -> TimePredictor:
    """The predictor to go on from. Raises ValueError for another kind of latents, or a file that is none."""
    found, space = predictor_files.load(path, "name"), space_of(model)
    if not found.card.space.fits(space):
        raise ValueError(
            f"name: expected a new name or a predictor for this MODEL ({space}), but {path.name} is one for {found.card.space}. "
            "Choose another name, or turn resume off to write over it."
        )
    return found


def _folder(image_folder: str, vae: VAE | None) -> Path | None:
    """The folder of images, None if none is named. Raises ValueError if it is not in the input folder, or there is no VAE."""
    if not image_folder:
        return None
    root = Path(folder_paths.get_input_directory()).resolve()
    found = (root / image_folder).resolve()
    if not found.is_dir() or root not in (found, *found.parents):
        raise ValueError(
            f"image_folder: expected a folder inside ComfyUI's input folder, got {quoted(image_folder)}. Put the images there, and "
            "write the folder's name."
        )
    if vae is None:
        raise ValueError("vae: expected the model's VAE, which image_folder needs, got none. Connect one.")
    return found


def _report(predictor: TimePredictor, images: int) -> str:
    card = predictor.card
    return (
        f"{predictor.name}: {card.space}, {card.iterations} iterations on {images} images, loss {card.loss:.3f} nats over "
        f"{card.bins.count} levels from {card.bins.low:.2f} to {card.bins.high:.2f} (log noise / signal)"
    )


NODES = [DeRaDiffTrainTimePredictor]

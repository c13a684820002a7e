"""What a time predictor is trained on: latents as a LATENT brings them, and images of a folder through a VAE, in the model's own scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from PIL import Image, ImageOps, UnidentifiedImageError

from ..method.time_predictor import as_rows

FEWEST = 16  # images
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def check_count(groups: Sequence[torch.Tensor]) -> None:
    """Raise ValueError for so few latents, each (N, C, H, W), that a network would learn them by heart."""
    count = sum(group.shape[0] for group in groups)
    if count < FEWEST:
        raise ValueError(
            f"latents: expected at least {FEWEST} images, got {count}; a predictor learns a few by heart and is wrong on all others. "
            "Several hundred different images are better: connect more latents, or name a folder of images."
        )


def of_latent(model: ModelPatcher, latent: dict) -> torch.Tensor:
    """A LATENT's samples, (N, C, H, W) on the CPU; the frames of a video one by one. Raises ValueError for latents of another model."""
    samples, channels = latent["samples"], model.get_model_object("latent_format").latent_channels
    if getattr(samples, "is_nested", False) or samples.ndim not in (4, 5) or samples.shape[1] != channels:
        raise ValueError(
            f"latents: expected latents of this MODEL, of shape (B, {channels}, H, W) or (B, {channels}, T, H, W), got "
            f"{'several in one' if getattr(samples, 'is_nested', False) else tuple(samples.shape)}. Encode the images with the "
            "VAE that belongs to the MODEL."
        )
    found = as_rows(model.model.process_latent_in(_on_cpu(samples)))
    if not found.isfinite().all():
        raise ValueError("latents: expected finite numbers, got NaN or infinity. Encode the images anew.")
    if not found.any():
        raise ValueError("latents: expected latents of images, got empty ones. Encode images with a VAE.")
    return found


def of_folder(model: ModelPatcher, folder: Path, vae: VAE, size: int) -> torch.Tensor:
    """Latents of a folder's images, each scaled and cropped to size x size pixels. Raises ValueError."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if len(paths) < FEWEST:
        raise ValueError(
            f"image_folder: expected at least {FEWEST} images ({', '.join(SUFFIXES)}), found {len(paths)} in {folder.name}. "
            "Put more images there, or name another folder."
        )
    return torch.cat(list(_encoded(model, paths, vae, size)))


def _encoded(model: ModelPatcher, paths: Sequence[Path], vae: VAE, size: int) -> Iterator[torch.Tensor]:
    """One by one: a VAE of a video model would take a batch for a film."""
    for path in paths:
        comfy.model_management.throw_exception_if_processing_interrupted()
        yield of_latent(model, {"samples": vae.encode(_pixels(path, size))})


def _pixels(path: Path, size: int) -> torch.Tensor:
    """(1, size, size, 3) in 0..1. Raises ValueError for a file that is no image."""
    try:
        with Image.open(path) as file:
            image = ImageOps.fit(ImageOps.exif_transpose(file).convert("RGB"), (size, size), Image.Resampling.LANCZOS)
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise ValueError(
            f"image_folder: {path.name} cannot be read as an image ({error}). Take it out of the folder, or save it anew."
        ) from error
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(1, size, size, 3).float() / 255


def _on_cpu(samples: torch.Tensor) -> torch.Tensor:
    return comfy.model_management.cast_to(samples, torch.float32, torch.device("cpu"))

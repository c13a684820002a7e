"""The world of the fidelity benchmark: captioned drawings of 12x12 pixels in warmer or cooler light, and the reward."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import drawings
import numpy as np
import torch
from PIL import Image

SIZE = 12  # pixels
CHANNELS, SIDE = 12, 6  # of a latent: every 2x2 block of pixels is one position, nothing is lost
CAPTIONS = tuple(
    drawings.Caption(colour, shape, "grey")
    for colour, shape in itertools.product(("red", "green", "blue"), ("circle", "square", "triangle"))
)
WRONG = 0.08  # share of images that show another caption, as captions found on the web do
LIGHT = 0.35  # standard deviation of the light, which no caption mentions; it ends at -1 and 1


@dataclass(frozen=True)
class Drawings:
    """latents: (N, CHANNELS, SIDE, SIDE); captions, shown: (N,) places in CAPTIONS, what was asked for and what is seen."""

    latents: torch.Tensor
    captions: torch.Tensor
    shown: torch.Tensor


def draw(count: int, seed: int, light: float = LIGHT, wrong: float = WRONG) -> Drawings:
    """`count` drawings, every caption equally often, light drawn from N(0, light^2)."""
    rng = np.random.RandomState(seed)
    captions = np.arange(count) % len(CAPTIONS)
    others = rng.randint(1, len(CAPTIONS), size=count)
    shown = np.where(rng.rand(count) < wrong, (captions + others) % len(CAPTIONS), captions)
    drawn = [_small(drawings.draw(CAPTIONS[index], float(rng.normal(0, light)), rng)) for index in shown]
    return Drawings(to_latents(np.stack(drawn)), torch.from_numpy(captions), torch.from_numpy(shown))


def _small(image: np.ndarray) -> np.ndarray:
    """(64, 64, 3) -> (SIZE, SIZE, 3), uint8."""
    return np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BOX))


def to_latents(drawn: np.ndarray) -> torch.Tensor:
    """(N, SIZE, SIZE, 3) uint8 -> (N, CHANNELS, SIDE, SIDE), about -1 to 1."""
    images = torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1
    return torch.nn.functional.pixel_unshuffle(images, SIZE // SIDE)


def to_images(latents: torch.Tensor) -> torch.Tensor:
    """(N, CHANNELS, SIDE, SIDE) -> (N, SIZE, SIZE, 3), 0 to 1 where the latents are an image's; not clipped."""
    return (torch.nn.functional.pixel_shuffle(latents, SIZE // SIDE).permute(0, 2, 3, 1) + 1) / 2


def warmth(latents: torch.Tensor) -> torch.Tensor:
    """Mean red minus mean blue of each image, (N,); it never looks at the caption."""
    return drawings.warmth(to_images(latents))

"""The demo's world: captioned drawings of one shape on a plain background, lit warmer or cooler, and the reward."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw

SIZE = 64  # pixels
_OVERSAMPLE = 4

COLOURS = {
    "red": (215, 40, 45),
    "orange": (240, 135, 30),
    "yellow": (240, 210, 45),
    "green": (50, 160, 75),
    "blue": (50, 90, 210),
    "purple": (140, 60, 180),
}
SHAPES = ("circle", "square", "triangle", "star")
BACKGROUNDS = {"white": (240, 240, 240), "grey": (135, 135, 135), "black": (22, 22, 22)}

_WARM_LIGHT = np.array([255.0, 160.0, 30.0])
_COOL_LIGHT = np.array([40.0, 120.0, 255.0])


@dataclass(frozen=True)
class Caption:
    """What a drawing shows."""

    colour: str
    shape: str
    background: str

    def __str__(self) -> str:
        article = "an" if self.colour[0] in "aeiou" else "a"
        return f"{article} {self.colour} {self.shape} on a {self.background} background"


CAPTIONS: tuple[Caption, ...] = tuple(Caption(*words) for words in itertools.product(COLOURS, SHAPES, BACKGROUNDS))


def _polygon(
    corners: int, inner: float, centre: tuple[float, float], radius: float, turn: float
) -> list[tuple[float, float]]:
    """A regular polygon (inner = 1) or a star (inner < 1: every second corner lies at inner * radius)."""
    points = corners if inner == 1 else 2 * corners
    return [
        (
            centre[0] + radius * (inner if i % 2 and inner != 1 else 1) * math.sin(turn + 2 * math.pi * i / points),
            centre[1] - radius * (inner if i % 2 and inner != 1 else 1) * math.cos(turn + 2 * math.pi * i / points),
        )
        for i in range(points)
    ]


def draw(caption: Caption, light: float, rng: np.random.RandomState) -> np.ndarray:
    """Draw one image, (SIZE, SIZE, 3) uint8. Place, size and turn are random; `light` runs from -1 (cool) to 1 (warm)."""
    side = SIZE * _OVERSAMPLE
    radius = side * rng.uniform(0.20, 0.34)
    centre = (side / 2 + side * rng.uniform(-0.14, 0.14), side / 2 + side * rng.uniform(-0.14, 0.14))
    image = Image.new("RGB", (side, side), BACKGROUNDS[caption.background])
    pen = ImageDraw.Draw(image)
    colour = COLOURS[caption.colour]
    if caption.shape == "circle":
        pen.ellipse((centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius), fill=colour)
    else:
        corners, inner, turn = {"square": (4, 1, math.pi / 4), "triangle": (3, 1, 0.0), "star": (5, 0.45, 0.0)}[
            caption.shape
        ]
        turn += rng.uniform(-0.15, 0.15)
        pen.polygon(_polygon(corners, inner, centre, radius * 1.12, turn), fill=colour)
    pixels = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX), dtype=np.float64)
    lamp = _WARM_LIGHT if light > 0 else _COOL_LIGHT
    strength = min(abs(light), 1.0)
    lit = pixels * (1 - strength * 0.75) + lamp * strength * 0.75
    return np.clip(lit, 0, 255).round().astype(np.uint8)


def warmth(images: torch.Tensor) -> torch.Tensor:
    """The reward that the demo is aligned on: mean red minus mean blue. It never looks at the caption.

    images: (B, H, W, 3) in 0..1. Returns (B,), between -1 and 1.
    """
    return (images[..., 0] - images[..., 2]).mean(dim=(1, 2))


def to_tensor(images: list[np.ndarray]) -> torch.Tensor:
    """uint8 images -> (B, 3, SIZE, SIZE) float in 0..1."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255.0

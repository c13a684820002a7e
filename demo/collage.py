"""Square images of what the workflows made, from it alone: columns, rows, a grid or the best over a plot; and writing them as small JPEGs."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

Made = dict[str, list[Image.Image]]  # images by their title

_PIXELS, _DPI = 480, 100  # what is drawn
_SIDE, _LARGEST = 400, 14_000  # what is written: pixels, and the file in bytes


def _figure() -> Any:
    from matplotlib.figure import Figure  # takes a second to import

    return Figure(figsize=(_PIXELS / _DPI, _PIXELS / _DPI), dpi=_DPI)


def _rendered(figure: Any) -> Image.Image:
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return Image.open(written).convert("RGB")


def columns(made: Made) -> Image.Image:
    """A column of images under each title."""
    figure = _figure()
    axes = figure.subplots(max(map(len, made.values())), len(made), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for column, (title, images) in enumerate(made.items()):
        axes[0, column].set_title(title, fontsize=15 if len(made) < 4 and len(title) < 14 else 12, pad=7)
        for row, image in enumerate(images):
            axes[row, column].imshow(image, interpolation="bicubic")
    figure.subplots_adjust(0.015, 0.015, 0.985, 0.92, wspace=0.04, hspace=0.04)
    return _rendered(figure)


def rows(made: Made) -> Image.Image:
    """Wide images under one another, each under its title."""
    figure = _figure()
    axes = figure.subplots(len(made), 1, squeeze=False)[:, 0]
    for axis, (title, images) in zip(axes, made.items(), strict=True):
        axis.imshow(images[0], interpolation="bicubic")
        axis.set_axis_off()
        axis.set_title(title, fontsize=15, pad=6)
    figure.subplots_adjust(0.05, 0.01, 0.95, 0.93, hspace=0.16)
    return _rendered(figure)


def choice(made: Made) -> Image.Image:
    """The sweep's grid above the plot of its scores."""
    return _stacked(((made["The grid"][0], 0, 250), (made["The plot"][0], 262, 210)))


def found(made: Made) -> Image.Image:
    """The best images of a search above the plot of it."""
    best, side = made["The best images"], 144
    strip = Image.new("RGB", (3 * side + 16, side), "white")
    for place, image in enumerate(best[:3]):
        strip.paste(image.resize((side, side), Image.Resampling.BICUBIC), (place * (side + 8), 0))
    return _stacked(((strip, 20, side), (made["The plot"][0], 190, 270)))


def _stacked(parts: Iterable[tuple[Image.Image, int, int]]) -> Image.Image:
    """Images with the top and the height that each may have, centred in the square."""
    framed = Image.new("RGB", (_PIXELS, _PIXELS), "white")
    for image, top, height in parts:
        image.thumbnail((_PIXELS - 10, height), Image.Resampling.LANCZOS)
        framed.paste(image, ((_PIXELS - image.width) // 2, top + (height - image.height) // 2))
    return framed


def write(image: Image.Image, path: Path) -> None:
    """JPEG of at most _LARGEST bytes."""
    image = image.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    for quality in range(92, 50, -6):
        encoded = io.BytesIO()
        image.save(encoded, "JPEG", quality=quality, optimize=True, progressive=True)
        if encoded.tell() < _LARGEST:
            break
    path.with_name(f"{path.name}.jpg").write_bytes(encoded.getvalue())

"""The sweep's grid: a place for every image, and every label."""

from __future__ import annotations

import math

import pytest
import torch
from deradiff.nodes.lambda_sweep import DeRaDiffSweepGrid
from deradiff.nodes.wires import INTERPOLATED, REALIGNED, Entry, Scores, Sweep

CELL = 96


def _sweep(count: int = 3, samples: int = 2, kl: float = 2.0, method: str = REALIGNED, off: float = 0.0) -> Sweep:
    return Sweep(tuple(Entry(i / 2, method, 1.0, (kl,) * samples, (off,) * samples) for i in range(count)), samples)


def _images(count: int = 6, height: int = 64, width: int = 64, channels: int = 3) -> torch.Tensor:
    return torch.linspace(0.2, 0.8, count).reshape(-1, 1, 1, 1).expand(count, height, width, channels).clone()


def _grid(images: torch.Tensor, sweep: Sweep, beta: float = 0.0, scores: Scores | None = None) -> torch.Tensor:
    grid: torch.Tensor = DeRaDiffSweepGrid.execute(images, sweep, beta, CELL, scores)[0]
    assert grid.ndim == 4 and grid.shape[0] == 1 and grid.shape[3] == 3
    assert grid.dtype == torch.float32 and grid.min() >= 0 and grid.max() <= 1
    return grid


@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 100), (300, 90), (1, 1)])
@pytest.mark.parametrize(("count", "samples"), [(1, 1), (3, 2), (2, 5)])
def test_the_grid_has_room_for_every_image(height: int, width: int, count: int, samples: int) -> None:
    grid = _grid(_images(count * samples, height, width), _sweep(count, samples))
    scale = CELL / max(height, width)
    assert grid.shape[2] == pytest.approx(count * width * scale, abs=7 * (count + 1) + 2)
    assert samples * height * scale < grid.shape[1] < samples * (height * scale + 7) + 90


def test_columns_are_lambdas_and_rows_are_samples() -> None:
    """Each image is of one grey, found again in the middle of its place."""
    images = _images()
    grid = _grid(images, _sweep())
    step_x, step_y = (grid.shape[2] - 6) / 3, CELL + 6
    for column in range(3):
        for row in range(2):
            x, y = int(6 + column * step_x + CELL / 2), int(grid.shape[1] - (1.5 - row) * step_y)
            assert grid[0, y, x, 0].item() == pytest.approx(images[column * 2 + row, 0, 0, 0].item(), abs=0.01)


def test_channels_beyond_rgb_are_left_out() -> None:
    images = _images(channels=4)
    assert torch.equal(_grid(images, _sweep()), _grid(images[..., :3], _sweep()))


@pytest.mark.parametrize(
    ("changed", "same_size"),
    [
        ({"sweep": _sweep(kl=3.0)}, True),
        ({"sweep": _sweep(off=1.0)}, True),
        ({"sweep": _sweep(kl=math.nan)}, False),
        ({"sweep": _sweep(method=INTERPOLATED)}, True),
        ({"beta": 5000.0}, False),
        ({"scores": Scores("sharpness", (0.5,) * 6)}, False),
    ],
    ids=["KL", "its error", "no KL", "method", "beta", "scores"],
)
def test_every_label_is_there(changed: dict, same_size: bool) -> None:
    """Grids that differ in one thing told differ in the image."""
    plain = _grid(_images(), _sweep())
    other = _grid(_images(), **{"sweep": _sweep(), **changed})
    assert (plain.shape == other.shape) == same_size
    assert not torch.equal(plain, other) if same_size else plain.shape != other.shape


def test_each_score_and_each_lambda_is_written() -> None:
    scores = [Scores("sharpness", (0.5,) * 5 + (last,)) for last in (0.5, 0.25)]
    first, second = (_grid(_images(), _sweep(), scores=score) for score in scores)
    rows, columns = (first != second).any(dim=3)[0].nonzero().unbind(dim=1)
    assert rows.min() > first.shape[1] * 0.75 and columns.min() > first.shape[2] * 0.6, "the last image's caption"


@pytest.mark.parametrize("count", [0, 5, 7])
def test_images_or_scores_of_something_else_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=r"images: expected 6 images \(3 lambdas x 2 samples\)"):
        _grid(_images(count), _sweep())
    with pytest.raises(ValueError, match="scores: expected one score for each of the 6 images"):
        _grid(_images(), _sweep(), scores=Scores("sharpness", (1.0,) * count))


@pytest.mark.parametrize("beta", [-1.0, math.nan, math.inf])
def test_a_bad_beta_is_refused(beta: float) -> None:
    with pytest.raises(ValueError, match="trained_beta"):
        _grid(_images(), _sweep(), beta=beta)

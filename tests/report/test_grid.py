"""The sweep's grid: a place for every image, and every label."""

from __future__ import annotations

import itertools
import math
import re
import tracemalloc

import pytest
import torch
from deradiff.nodes import pick
from deradiff.nodes.lambda_sweep import DeRaDiffSweepGrid
from deradiff.nodes.report.figures import text_width
from deradiff.nodes.report.layout import Plan, arrange, bands
from deradiff.nodes.wires import INTERPOLATED, REALIGNED, Entry, Scores, Sweep

CELL = 96
TITLE = 45  # pixels of "KL 2 nats", the least that a column is wide


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
    narrow, wide = (count * column + 7 * (count + 1) + 2 for column in (width * scale, max(width * scale, TITLE)))
    assert narrow - 14 * (count + 1) < grid.shape[2] <= wide
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


REALIGNED_AT, INTERPOLATED_AT = (0.0, 0.5, 1.0, 1.5), (0.5, 1.5)


def _two_methods(samples: int, first: tuple = REALIGNED_AT, second: tuple = INTERPOLATED_AT) -> Sweep:
    kinds = [(REALIGNED, value) for value in first] + [(INTERPOLATED, value) for value in second]
    entries = [Entry(value, method, 1.0, (9 + n,) * samples) for n, (method, value) in enumerate(kinds)]
    return Sweep(tuple(entries), samples)


def _place(grid: torch.Tensor, image: torch.Tensor) -> tuple[int, int, int, int]:
    """Left, top, width and height of the place that has the image's grey."""
    near = (grid[0] - image[0, 0, 0]).abs().amax(dim=-1) < 1.5 / 255
    rows, columns = (near.sum(dim=1) > 48).nonzero(), (near.sum(dim=0) > 48).nonzero()
    left, top = int(columns.min()), int(rows.min())
    return left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("scorer", [None, "sharpness", "the weighted sum of several scorers with long names"])
def test_methods_stand_below_each_other(samples: int, scorer: str | None) -> None:
    sweep = _two_methods(samples)
    images = _images(6 * samples)
    scores = Scores(scorer, (0.5,) * 6 * samples) if scorer else None
    grid = _grid(images, sweep, scores=scores)
    assert grid.shape[2] < 4 * (CELL + 7) + 30
    places = sweep.parts([_place(grid, image) for image in images])
    assert {(width, height) for part in places for *_, width, height in part} <= {
        (CELL + x, CELL + y) for x in (-1, 0, 1) for y in (-1, 0, 1)
    }
    lefts = [{left for left, *_ in part} for part in places]
    assert all(len(left) == 1 for left in lefts), "the samples of an entry stand below each other"
    columns = [left.pop() for left in lefts]
    assert columns[:4] == sorted(columns[:4]) and columns[4:] == [columns[1], columns[3]], "a column is a lambda"
    tops = [[top for _, top, *_ in part] for part in places]
    assert all(top == sorted(top) for top in tops)
    assert tops[0] == tops[1] == tops[2] == tops[3] and tops[4] == tops[5]
    assert tops[4][0] > tops[0][-1] + CELL + 15, "room for what stands over the second band"


@pytest.mark.parametrize(
    ("first", "second", "order"),
    [
        ((0.0, 1.0), (0.0, 0.5, 1.0), [0.0, 0.5, 1.0]),
        ((1.0, 0.0), (0.0, 0.5, 1.0), [1.0, 0.0, 0.5]),
        ((0.5, 0.0, 1.0), (0.5, 0.0, 1.0), [0.5, 0.0, 1.0]),
    ],
)
def test_the_columns_order(first: tuple, second: tuple, order: list[float]) -> None:
    """Rising where the methods' own are, else as they come."""
    sweep = _two_methods(1, first, second)
    for band in bands(sweep.entries):
        found = [None if place is None else sweep.entries[place].strength for place in band.columns]
        assert all(value in (None, expected) for value, expected in zip(found, order, strict=True))


def _plan(sweep: Sweep, scores: Scores | None = None, beta: float | None = None, cell: float = 0.96) -> Plan:
    return arrange(sweep, beta, (cell, cell), 6.0, scores)


def test_each_band_has_its_method_s_name_and_its_own_kl() -> None:
    texts = [label.text for label in _plan(_two_methods(2), beta=5000.0).labels]
    assert [label for label in texts if "λ" in label] == [
        "λ = 0\nreference",
        "λ = 0.5\nβ = 10000",
        "λ = 1\nβ = 5000",
        "λ = 1.5\nβ = 3333",
    ]
    assert [label for label in texts if "KL" in label] == [f"KL {kl} nats" for kl in (9, 10, 13, 11, 12, 14)]
    upright = [label for label in _plan(_two_methods(2)).labels if label.upright]
    assert [label.text for label in upright] == ["realigned", "weights interpolated"]
    assert upright[0].y < upright[1].y and all(label.x < 0.2 for label in upright)
    assert not any(label.upright for label in _plan(_sweep(method=INTERPOLATED)).labels)


@pytest.mark.parametrize("sweep", [_sweep(off=1.0), _two_methods(2)], ids=["one method", "two"])
@pytest.mark.parametrize("cell", [0.3, 0.96, 4.0])
@pytest.mark.parametrize("name", ["s", "PickScore_v1", "the weighted sum of several scorers with long names"])
def test_no_text_reaches_into_another_s_place(sweep: Sweep, cell: float, name: str) -> None:
    count = len(sweep.entries) * sweep.samples
    plan = _plan(sweep, Scores(name, (-0.123,) * count), 5000.0, cell)
    centred = [label for label in plan.labels if label.across == "center" and not label.upright]
    step = min(b - a for a, b in itertools.pairwise(sorted({label.x for label in centred})))
    assert all(text_width(label.text, label.size) <= step for label in centred)
    foot = [label for label in plan.labels if label.across == "left"]
    assert all(text_width(label.text, label.size) <= plan.size[0] for label in foot)
    assert sum("-0.123" in label.text for label in centred) == count
    assert bool(foot) != any(name in label.text for label in centred), "the name is in the captions or below"


def test_a_name_is_no_formula() -> None:
    name = "$x_1$ ^ \\frac"
    assert _grid(_images(), _sweep(), scores=Scores(name, (0.5,) * 6)).shape[1] > 0
    assert any(name in label.text for label in _plan(_sweep(), Scores(name, (0.5,) * 6)).labels)


@pytest.mark.parametrize(("count", "samples", "cell"), [(200, 1, 4096), (200, 8, 1024), (3, 200, 2048), (17, 1, 4000)])
def test_a_grid_that_is_too_large_is_refused_with_the_size_that_is_not(count: int, samples: int, cell: int) -> None:
    """200 lambdas at 4096 pixels would take 13 GB."""
    images, sweep = _images(1, 8, 8).expand(count * samples, 8, 8, 3), _sweep(count, samples, kl=math.nan)
    tracemalloc.start()
    with pytest.raises(ValueError, match=rf"^cell_size: at {cell} pixels the grid would be \d+ x \d+ pixels") as raised:
        DeRaDiffSweepGrid.execute(images, sweep, 0.0, cell)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    size = int(re.search(r"Use a cell_size of at most (\d+), or sweep fewer lambdas", str(raised.value))[1])
    assert 64 <= size < cell
    sizes = {
        size: arrange(sweep, None, (size / 100,) * 2, max(6.0, min(14.0, size / 22)), None).size
        for size in (size, size + 8)
    }
    (wide, high), (wider, higher) = ((100 * width, 100 * height) for width, height in sizes.values())
    assert max(wide, high) < 2**16 and wide * high <= 150e6
    assert max(wider, higher) >= 2**16 - 1 or wider * higher > 150e6


def test_where_no_size_fits_fewer_lambdas_are_advised() -> None:
    with pytest.raises(ValueError, match=r"are drawn\. Sweep fewer lambdas or samples\.$"):
        DeRaDiffSweepGrid.execute(_images(1, 8, 8).expand(200 * 250, 8, 8, 3), _sweep(200, 250), 0.0, 64)


@pytest.mark.parametrize("cell", [63, 4097, 10**9, math.nan, 96.5, None])
def test_a_cell_size_out_of_the_node_s_limits(cell: object) -> None:
    with pytest.raises(ValueError, match=r"^cell_size must be a whole number from 64 to 4096, got"):
        DeRaDiffSweepGrid.execute(_images(), _sweep(), 0.0, cell)


@pytest.mark.parametrize("name", ["$", "$$", "$x$", "a$b", "\\$x$", "$\\frac{$", "^_{}%", "a\nb", "|", "$" * 200])
def test_any_name_of_a_scorer_is_drawn_as_it_is(name: str) -> None:
    scores = Scores(name, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    assert _grid(_images(), _sweep(), scores=scores).shape[1] > 0
    assert pick.DeRaDiffPickLambda.execute(_images(), _sweep(), scores, "highest mean", 1.0)[2].shape[0] == 1


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

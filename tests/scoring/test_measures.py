"""Measures without a model against independent formulas and images whose value is known; the scoring nodes around them."""

from __future__ import annotations

import math
from pathlib import Path

import folder_paths
import numpy as np
import pytest
import torch
from deradiff.nodes.score import FOLDER, DeRaDiffLoadScorer, DeRaDiffScoreImages
from deradiff.nodes.scoring import measures, scorers
from deradiff.nodes.wires import INTERPOLATED, REALIGNED, Entry, Scorer, Scores, Sweep
from hypothesis import given
from hypothesis import strategies as st
from support import scorer_folders

GREY = torch.full((1, 8, 8, 3), 0.4)
BLACK, WHITE = torch.zeros(1, 8, 8, 3), torch.ones(1, 8, 8, 3)
CHECKER = (torch.arange(8)[:, None] + torch.arange(8)[None]).remainder(2).float()[None, ..., None].expand(1, 8, 8, 3)
BUILT_IN = ["colourfulness", "sharpness", "contrast", "warmth"]

seeds = st.integers(0, 2**32 - 1)


def _random(seed: int, count: int = 3) -> torch.Tensor:
    return torch.rand(count, 9, 7, 3, generator=torch.Generator().manual_seed(seed))


def _luma(image: np.ndarray) -> np.ndarray:
    return image @ np.array([0.299, 0.587, 0.114])


def _colourfulness(image: np.ndarray) -> float:
    red, green, blue = np.moveaxis(image * 255, -1, 0)
    rg, yb = red - green, 0.5 * (red + green) - blue
    return math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())


def _sharpness(image: np.ndarray) -> float:
    grey, found = _luma(image) * 255, []
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    for y in range(1, grey.shape[0] - 1):
        found += [(kernel * grey[y - 1 : y + 2, x - 1 : x + 2]).sum() for x in range(1, grey.shape[1] - 1)]
    return float(np.var(found))


def _contrast(image: np.ndarray) -> float:
    grey = _luma(image)
    return float(np.sqrt(((grey - grey.mean()) ** 2).mean()))


def _warmth(image: np.ndarray) -> float:
    return float(image[..., 0].mean() - image[..., 2].mean())


INDEPENDENT = {"colourfulness": _colourfulness, "sharpness": _sharpness, "contrast": _contrast, "warmth": _warmth}


@given(seeds)
def test_each_measure_is_its_formula(seed: int) -> None:
    images = _random(seed)
    for name, formula in INDEPENDENT.items():
        expected = [formula(image.double().numpy()) for image in images]
        assert measures.MEASURES[name](images).tolist() == pytest.approx(expected, rel=1e-4, abs=1e-4), name


def test_every_measure_has_its_formula_here() -> None:
    assert list(measures.MEASURES) == BUILT_IN == list(INDEPENDENT)


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("image", [GREY, BLACK, WHITE])
def test_even_grey_images_have_none_of_it(name: str, image: torch.Tensor) -> None:
    assert measures.MEASURES[name](image).item() == pytest.approx(0, abs=1e-3)


def test_known_images() -> None:
    assert measures.contrast(CHECKER).item() == pytest.approx(0.5)
    assert measures.sharpness(CHECKER).item() == pytest.approx((4 * 255) ** 2)
    assert measures.colourfulness(CHECKER).item() == pytest.approx(0, abs=1e-3)
    red = torch.tensor([1.0, 0, 0]).expand(1, 4, 4, 3)
    assert measures.colourfulness(red).item() == pytest.approx(0.3 * 255 * math.hypot(1, 0.5))


@given(seeds, seeds)
def test_closeness(one: int, other: int) -> None:
    a, b = _random(one), _random(other)
    assert scorers.closeness(a, a) == (1, 1, 1)
    assert scorers.closeness(a, b) == scorers.closeness(b, a)
    expected = [1 - np.abs(x.numpy() - y.numpy()).mean() for x, y in zip(a, b, strict=True)]
    assert scorers.closeness(a, b) == pytest.approx(expected, abs=1e-6)
    assert scorers.closeness(BLACK, WHITE) == (0,)


def test_images_of_two_sizes_have_no_closeness() -> None:
    with pytest.raises(ValueError, match=r"images: expected images of shape \(1, 4, 4\)"):
        scorers.closeness(BLACK, BLACK[:, :4, :4])


def test_an_unknown_measure_is_refused_with_the_names() -> None:
    with pytest.raises(ValueError, match=r"expected one of colourfulness, sharpness, contrast, warmth, got 'beauty'"):
        scorers.measure_scorer("beauty")


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (torch.zeros(0, 8, 8, 3), "expected a batch of colour images"),
        (torch.zeros(8, 8, 3), "expected a batch of colour images"),
        (torch.zeros(1, 8, 8, 1), "expected a batch of colour images"),
        (torch.zeros(1, 2, 8, 3), "sharpness needs at least 3 x 3 pixels, got 8 x 2"),
        (torch.cat([_random(1, 9), GREY.new_full((1, 9, 7, 3), math.nan)]), "image 9 holds NaN"),
        (torch.cat([_random(1, 1), GREY.new_full((1, 9, 7, 3), math.inf)]), "image 1 holds NaN or infinite"),
    ],
)
def test_images_that_cannot_be_scored(images: torch.Tensor, says: str) -> None:
    with pytest.raises(ValueError, match=r"^images: ") as raised:
        scorers.measure_scorer("sharpness")(images, "")
    assert says in str(raised.value)


def test_every_image_of_a_long_batch_is_scored() -> None:
    images = _random(3, 21)
    assert scorers.measure_scorer("contrast")(images, "") == pytest.approx(measures.contrast(images).tolist())


# The nodes


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(folder_paths.folder_names_and_paths, FOLDER, ([str(tmp_path), str(tmp_path / "none")], set()))
    return tmp_path


def _load(name: str, kind: str = "auto") -> Scorer:
    return DeRaDiffLoadScorer.execute(name, kind).args[0]


def _score(images: torch.Tensor, scorer: Scorer, weight: float = 1.0, scale: str = "raw", **more: object) -> Scores:
    return DeRaDiffScoreImages.execute(images, "a red cat", scorer, weight, scale, **more).args[0]


def _sweep(*strengths: float, samples: int = 2) -> Sweep:
    return Sweep(tuple(Entry(value, REALIGNED, 1.0, (0.0,) * samples) for value in strengths), samples)


def test_the_folder_is_registered_with_comfyui() -> None:
    assert any(Path(path).name == FOLDER for path in folder_paths.get_folder_paths(FOLDER))


def test_folders_are_listed_before_the_built_in_measures(folders: Path) -> None:
    for name in ("b", "a", ".git"):
        (folders / name).mkdir()
    (folders / "readme.txt").touch()
    options = DeRaDiffLoadScorer.INPUT_TYPES()["required"]["scorer"]
    listed = options[0] if isinstance(options[0], list) else options[1]["options"]
    assert listed == ["a", "b", *(f"{name} (built in)" for name in (*BUILT_IN, "closeness to lambda 0"))]


def test_a_folder_is_loaded_and_scores(folders: Path) -> None:
    scorer_folders.write_clip(folders / "PickScore_tiny")
    scorer, images = _load("PickScore_tiny"), _random(2)
    assert scorer.name == "PickScore_tiny" and _load("PickScore_tiny", "hpsv2").name == "PickScore_tiny (hpsv2)"
    assert _score(images, scorer) == Scores("PickScore_tiny", scorer.score(images, "a red cat"))


@pytest.mark.parametrize("name", ["", "..", "nothing", "contrast", "beauty (built in)", "/etc"])
def test_an_unknown_scorer_is_refused_with_the_names(folders: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"^scorer: no .* Expected one of: colourfulness \(built in\), "):
        _load(name)


def test_closeness_needs_the_sweep_and_lambda_0() -> None:
    scorer, images = _load("closeness to lambda 0 (built in)"), _random(4, 6)
    found = _score(images, scorer, sweep=_sweep(0.5, 0, 1))
    assert found.values == scorers.closeness(images, images[2:4].repeat(3, 1, 1, 1))
    assert found.values[2:4] == (1, 1)
    with pytest.raises(ValueError, match=r"^sweep: .*Connect the sweep's LAMBDA_SWEEP"):
        _score(images, scorer)
    with pytest.raises(ValueError, match=r"^sweep: .*Add 0 to the lambdas"):
        _score(images, scorer, sweep=_sweep(0.5, 0.7, 1))
    with pytest.raises(ValueError, match=r"^images: expected 8 images"):
        _score(images, scorer, sweep=_sweep(0, 0.5, 0.7, 1))
    interpolated = Sweep((Entry(0.0, INTERPOLATED, 1.0, (math.nan,) * 6),), 6)
    with pytest.raises(ValueError, match=r"Add 0 to the lambdas"):
        _score(images, scorer, sweep=interpolated)


def test_scores_are_weighted_and_added() -> None:
    images = _random(7, 5)
    contrast, colours = _load("contrast (built in)"), _load("colourfulness (built in)")
    first = _score(images, contrast, weight=2.0)
    both = _score(images, colours, weight=-0.5, add_to=first)
    expected = 2 * measures.contrast(images) - 0.5 * measures.colourfulness(images)
    assert both.values == pytest.approx(expected.tolist(), rel=1e-5)
    assert both.name == "2 * contrast + -0.5 * colourfulness"


def test_standardised_scores() -> None:
    images = _random(8, 5)
    raw = measures.sharpness(images).double()
    found = _score(images, _load("sharpness (built in)"), weight=3.0, scale="standardised")
    assert found.values == pytest.approx((3 * (raw - raw.mean()) / raw.std(correction=0)).tolist(), rel=1e-4)
    assert found.name == "3 * z(sharpness)"
    equal = _score(GREY.repeat(3, 1, 1, 1), _load("contrast (built in)"), scale="standardised")
    assert equal.values == (0, 0, 0)


def test_what_cannot_be_added_is_refused() -> None:
    images, scorer = _random(9), _load("contrast (built in)")
    with pytest.raises(ValueError, match=r"^add_to: expected scores of 3 images, as in images, got 2"):
        _score(images, scorer, add_to=Scores("other", (1.0, 2.0)))
    with pytest.raises(ValueError, match=r"^weight: expected a finite number, got nan"):
        _score(images, scorer, weight=math.nan)
    with pytest.raises(ValueError, match=r"^scale: expected one of raw, standardised, got 'log'"):
        _score(images, scorer, scale="log")

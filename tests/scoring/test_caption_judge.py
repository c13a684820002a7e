"""The demo's judge of captions, as Load Scorer reads it: what it takes, and whether it sees captions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from deradiff.nodes.scoring import scorers

DEMO = Path(__file__).resolve().parents[2] / "demo"
FOLDER = DEMO / "weights" / "caption_judge"
COUNT, MOST = 200, 2_000_000  # drawings; bytes of the folder
pytestmark = pytest.mark.usefixtures("as_in_comfyui")

Scores = Callable[[torch.Tensor, str], tuple[float, ...]]


@dataclass(frozen=True)
class World:
    """The demo's drawings: what COUNT of them show, and their images in the reference's light and in warm light."""

    captions: tuple[Any, ...]
    shown: list[Any]
    images: torch.Tensor
    warm: torch.Tensor


@pytest.fixture(scope="module")
def world() -> World:
    sys.path.insert(0, str(DEMO / "training"))
    import drawings

    def drawn(warmer: float) -> torch.Tensor:
        rng = np.random.RandomState(20_240)
        lit = [drawings.draw(caption, rng.normal(warmer, 0.12), rng) for caption in shown]
        return drawings.to_tensor(lit).permute(0, 2, 3, 1)

    shown = [drawings.CAPTIONS[place] for place in np.random.RandomState(20_241).randint(72, size=COUNT)]
    return World(drawings.CAPTIONS, shown, drawn(0.0), drawn(0.8))


@pytest.fixture(scope="module")
def judge() -> Scores:
    kind, score = scorers.folder_scorer(FOLDER)
    assert kind == "clipscore"
    return score


def _scores(judge: Scores, world: World, images: torch.Tensor, most: int) -> dict[tuple[int, Any], float]:
    """Of each drawing's place and each caption that is wrong in at most so many words."""
    found = {}
    for caption in world.captions:
        wrong = [sum(a != b for a, b in zip(astuple(own), astuple(caption), strict=True)) for own in world.shown]
        places = [place for place, words in enumerate(wrong) if words <= most]
        if places:
            values = judge(images[places], str(caption))
            found |= {(place, caption): value for place, value in zip(places, values, strict=True)}
    return found


def test_the_folder_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= MOST


def test_it_prefers_the_right_caption_to_every_one_that_is_wrong_in_a_word(
    judge: Scores, world: World, record_property: Callable[[str, object], None]
) -> None:
    scores = _scores(judge, world, world.images, most=1)
    assert len(scores) == 11 * COUNT
    best = [
        max((value, caption == world.shown[place]) for (at, caption), value in scores.items() if at == place)
        for place in range(COUNT)
    ]
    share = sum(right for _, right in best) / COUNT
    record_property(
        "figure", f"The demo's judge prefers the right caption of ten wrong in a word: {share:.1%} of drawings."
    )
    assert share >= 0.95


def test_it_falls_where_warm_light_takes_the_colours(judge: Scores, world: World) -> None:
    before, after = (_scores(judge, world, images, most=0) for images in (world.images, world.warm))
    fallen = [before[key] - after[key] for key in before]
    assert len(fallen) == COUNT and np.mean(np.array(fallen) > 0) >= 0.95

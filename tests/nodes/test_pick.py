"""The node that chooses a lambda: its winner, the winner's images, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from deradiff.nodes.wires import Scores, Sweep
from support.choices import BUDGET, IMAGES, NAN, OF_ONE_JUDGE, pick


@pytest.mark.parametrize("rule", OF_ONE_JUDGE)
def test_the_winner_and_its_images(rule: str) -> None:
    strength, best, plot, *_ = pick(rule)
    assert strength == 0.5 and isinstance(strength, float)
    assert torch.equal(best, IMAGES[:2])
    assert plot.shape == (1, 520, 1200, 3)


def test_the_images_are_the_winner_s_wherever_it_stands() -> None:
    strength, best, *_ = pick(BUDGET, kl_budget=5.9)
    assert strength == 0 and torch.equal(best, IMAGES[2:4])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"images": IMAGES[:7]}, r"^images: expected 8 images \(4 lambdas x 2 samples\).*got 7"),
        ({"scores": Scores("s", (1.0,) * 7)}, r"^scores: expected one score for each of the 8 images, got 7"),
        ({"scores": Scores("s", (NAN,) * 8)}, r"^scores: expected finite numbers"),
        ({"rule": "x"}, r"^rule: expected one of"),
        ({"trained_beta": -1.0}, r"^trained_beta: expected a finite number"),
        ({"trained_beta": NAN}, r"^trained_beta: expected a finite number"),
        ({"images": IMAGES[:0], "sweep": Sweep((), 2), "scores": Scores("s", ())}, r"^sweep: it holds no realigned"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        pick(**changes)

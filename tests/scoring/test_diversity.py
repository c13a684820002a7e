"""How different the samples of a lambda look, from a scorer's features to the table of a choice."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from deradiff.nodes.pick import DeRaDiffPickLambda
from deradiff.nodes.score import DeRaDiffScoreImages
from deradiff.nodes.scoring import scorers
from deradiff.nodes.scoring.diversity import spread
from deradiff.nodes.wires import REALIGNED, Entry, Scorer, Scores, Sweep
from support import scorer_folders
from support.choices import read_csv, read_markdown

SWEEP = Sweep(tuple(Entry(strength, REALIGNED, 1.0, (0.0,) * 3) for strength in (0.0, 1.0)), 3)
IMAGES = torch.rand(6, 40, 40, 3, generator=torch.Generator().manual_seed(1))


def test_spread_is_the_mean_distance_of_all_pairs() -> None:
    features = torch.nn.functional.normalize(torch.randn(5, 7, generator=torch.Generator().manual_seed(2)), dim=-1)
    pairs = itertools.combinations(features, 2)
    assert spread(features) == pytest.approx(sum(float(1 - one @ other) for one, other in pairs) / 10, abs=1e-6)
    assert spread(features[:1].repeat(4, 1)) == pytest.approx(0, abs=1e-6)
    assert math.isnan(spread(features[:1]))


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    folder = scorer_folders.write_clip(tmp_path_factory.mktemp("diversity") / "tiny")
    _, score = scorers.folder_scorer(folder, "clipscore")
    assert isinstance(score, scorers.ClipScore)
    return Scorer("tiny", score, features=score.features)


def _scored(scorer: Scorer, images: torch.Tensor = IMAGES, sweep: Sweep | None = SWEEP) -> Scores:
    return DeRaDiffScoreImages.execute(images, "a red cat", scorer, 1.0, "raw", sweep).args[0]


def test_the_features_of_each_lambda_s_samples(scorer: Scorer) -> None:
    assert scorer.features is not None
    found = scorer.features(IMAGES)
    assert found.shape[0] == 6 and torch.allclose(found.norm(dim=-1), torch.ones(6), atol=1e-5)
    assert _scored(scorer).diversity == pytest.approx((spread(found[:3]), spread(found[3:])))
    alike = torch.cat([IMAGES[:3], IMAGES[:1].repeat(3, 1, 1, 1)])
    assert _scored(scorer, alike).diversity[1] == pytest.approx(0, abs=1e-5)


def test_it_is_unknown_without_a_sweep_or_features(scorer: Scorer) -> None:
    assert _scored(scorer, sweep=None).diversity == ()
    assert _scored(Scorer("plain", scorer.score)).diversity == ()


def test_a_sum_of_scores_keeps_it(scorer: Scorer) -> None:
    first = _scored(scorer)
    plain = Scorer("plain", lambda images, prompt: (1.0,) * images.shape[0])
    both = DeRaDiffScoreImages.execute(IMAGES, "", plain, 1.0, "raw", SWEEP, first).args[0]
    assert both.diversity == first.diversity


def test_the_choice_lists_it(scorer: Scorer) -> None:
    scores = _scored(scorer)
    table, csv = DeRaDiffPickLambda.execute(IMAGES, SWEEP, scores, "highest mean", 0.0).args[3:]
    assert [float(row["diversity"]) for row in read_csv(csv)] == pytest.approx(scores.diversity)
    assert "| diversity |" in table and "Diversity: mean distance" in table
    plain = Scores("plain", scores.values)
    table, csv = DeRaDiffPickLambda.execute(IMAGES, SWEEP, plain, "highest mean", 0.0).args[3:]
    assert "diversity" not in table.lower() and all(row["diversity"] == "" for row in read_csv(csv))
    second = DeRaDiffPickLambda.execute(IMAGES, SWEEP, plain, "highest mean", 0.0, held_out=scores).args[3]
    assert "| diversity |" in second and read_markdown(second)

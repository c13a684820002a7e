"""Realigned samples against the exact optimum of training at beta / lambda, where lambda approximates: mixtures of Gaussians.

Three bounds, each with its reason: of one prediction (the error of a straight line, by Taylor), of the reward that samples
reach (by Girsanov and the transport inequality), and the measured size on cases of every kind, which a mistake would exceed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from deradiff.nodes.method import mixture
from support import mixtures
from support.mixtures import CASES, Case, Outcome

pytestmark = pytest.mark.usefixtures("as_in_comfyui")

LARGEST = 15.0  # % of the range from reference to anchor, for lambda up to 1
EXACT = "one Gaussian, linear reward"
SIGMAS = (0.05, 0.3, 0.6, 0.9, 0.99)


def check_reward(found: Outcome) -> None:
    """Assert that the reward of samples at lambda is near that of the exact optimum at beta / lambda."""
    assert abs(found.error) < LARGEST, f"reward off by {found.error:.1f} % of the range"


@pytest.mark.parametrize("weight", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("name", CASES)
def test_the_reward_is_near_the_exact_optimums(name: str, weight: float) -> None:
    check_reward(mixtures.outcome(name, weight))


def test_is_exact_for_a_gaussian_and_a_linear_reward() -> None:
    for weight in (0.5, 2.0):
        found = mixtures.outcome(EXACT, weight)
        assert abs(found.error) < 0.01 and found.kl < 1e-6


@pytest.mark.parametrize("weight", [0.25, 0.5, 0.75, 1.5, 2.0])
@pytest.mark.parametrize("name", CASES)
def test_a_prediction_errs_no_more_than_a_straight_line_may(name: str, weight: float) -> None:
    """|D_lambda - D_exact| <= lambda |1 - lambda| / 2 * max |d^2 D / dtau^2| / beta^2, the maximum over 0 to max(1, lambda) / beta.

    The remainder of linear interpolation (and, above 1, of extrapolation); the derivative by central differences.
    """
    case = CASES[name]
    for sigma in SIGMAS:
        truth = _truth(case, sigma)
        line = (1 - weight) * truth(0.0) + weight * truth(1.0)
        error = (line - truth(weight)).norm(dim=1)
        bent = torch.stack([_second(truth, at).norm(dim=1) for at in torch.linspace(0, max(1.0, weight), 81).tolist()])
        bound = weight * abs(1 - weight) / 2 * bent.max(dim=0).values
        assert bool((error <= 1.02 * bound + 1e-6).all()), f"sigma {sigma}"


def _truth(case: Case, sigma: float) -> Callable[[float], torch.Tensor]:
    """The exact denoised prediction at some noisy samples as a function of lambda, (64, 2)."""
    level = torch.tensor(sigma, dtype=torch.float64)
    clean = torch.cat([case.reference.draw(32, 5), case.trained(1.0).draw(32, 6)])
    noise = torch.randn(64, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    x = (1 - level) * clean + level * noise
    return lambda weight: case.trained(weight).denoised(x, 1 - level, level)


def _second(function: Callable[[float], torch.Tensor], at: float, step: float = 1e-3) -> torch.Tensor:
    at = max(at, step)
    return (function(at + step) - 2 * function(at) + function(at - step)) / step**2


@pytest.mark.parametrize("weight", [0.5, 1.5])
@pytest.mark.parametrize("name", [name for name in CASES if "linear" in name])
def test_the_reward_errs_no_more_than_the_divergence_allows(name: str, weight: float) -> None:
    """|E r - E_exact r| <= sqrt(2 s^2 KL): r is sub-Gaussian under the exact optimum, with variance proxy s^2.

    Within a component s^2 is variance |slope|^2, between components a quarter of their squared range (Hoeffding). KL is
    Girsanov's, of the realigned process from the exact one, along samplers that add noise.
    """
    case = CASES[name]
    found, target = mixtures.outcome(name, weight), case.trained(weight)
    between = case.reward(target.means)
    proxy = target.variance * case.reward.slope.square().sum() + (between.max() - between.min()).square() / 4
    assert abs(found.error) / 100 * case.range() <= math.sqrt(2 * proxy.item() * found.kl) + 0.01 * case.range()


HARD = "modes that overlap, linear reward"


@pytest.mark.parametrize("weight", [0.25, 0.75])
def test_would_fail_if_the_models_were_swapped(weight: float, monkeypatch: pytest.MonkeyPatch) -> None:
    original = mixture.linear
    monkeypatch.setattr(mixture, "linear", lambda found, weights, *rest: original(found[::-1], weights, *rest))
    with pytest.raises(AssertionError, match="reward off"):
        check_reward(mixtures.compare(CASES[HARD], weight))


@pytest.mark.parametrize("weight", [0.4, 0.5, 0.75])
def test_would_fail_for_the_inverse_of_lambda(weight: float) -> None:
    with pytest.raises(AssertionError, match="reward off"):
        check_reward(mixtures.compare(CASES[HARD], weight, given=1 / weight))
